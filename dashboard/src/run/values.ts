/** Values of parameters as text. Pure. */

import { naturally } from "../runs/values";
/** A value on one line, short enough for a table. */
export function valueText(value: unknown, most = 300): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Whether all words are in a name or its value, whatever the case. */
export function matchesAll(filter: string): (name: string, text: string) => boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return (name, text) => {
    const all = `${name} ${text}`.toLowerCase();
    return words.every((word) => all.includes(word));
  };
}

/** Names of parameters that do not have the same value in all runs: one that a run lacks is another value. */
export function differing(runs: readonly Record<string, unknown>[]): Set<string> {
  const found = new Set<string>();
  for (const name of namesOf(runs)) {
    const texts = new Set(runs.map((parameters) => (name in parameters ? JSON.stringify(parameters[name]) : undefined)));
    if (texts.size > 1) found.add(name);
  }
  return found;
}

/** The names of all parameters of some runs, sorted. */
export function namesOf(runs: readonly Record<string, unknown>[]): string[] {
  return [...new Set(runs.flatMap((parameters) => Object.keys(parameters)))].sort(naturally);
}
