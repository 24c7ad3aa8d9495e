/** Keys of metrics by their prefix. Pure. */

import { naturally } from "../runs/values";
import type { Run } from "../types";

export interface KeyGroup {
  /** What stands before the last slash; "" where there is none. */
  prefix: string;
  keys: string[];
}

/** The keys that any of the runs has, sorted as people sort. */
export function keysOf(runs: readonly Run[]): string[] {
  const keys = new Set<string>();
  for (const { metrics } of runs) for (const key in metrics) keys.add(key);
  return [...keys].sort(naturally);
}

/** Keys without a prefix come first. */
export function grouped(keys: readonly string[]): KeyGroup[] {
  const groups = new Map<string, string[]>([["", []]]);
  for (const key of keys) {
    const prefix = key.slice(0, Math.max(0, key.lastIndexOf("/")));
    const known = groups.get(prefix);
    if (known) known.push(key);
    else groups.set(prefix, [key]);
  }
  return [...groups].filter(([, mine]) => mine.length > 0).map(([prefix, mine]) => ({ prefix, keys: mine }));
}

/** A test of keys from what somebody types; what is no regular expression yet is looked for as it stands. */
export function keyFilter(text: string): (key: string) => boolean {
  if (text === "") return () => true;
  try {
    const regex = new RegExp(text, "i");
    return (key) => regex.test(key);
  } catch {
    return (key) => key.includes(text);
  }
}

/** The column that a `.charts.yml` means: earlier generations had other names for the step and the time. */
export function columnOf(x: string): string {
  if (x === "step") return "_step";
  return x === "__timestamp" || x === "timestamp" ? "_timestamp" : x;
}
