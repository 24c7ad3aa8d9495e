/** What stands in a cell. */

import { styleOf } from "../state";
import type { Run } from "../types";
import { valueIn, type Column } from "./columns";
import { asText, formatCount, formatDuration, formatNumber, formatSize, formatTime, toNumber } from "./values";

const STATES: Record<string, [kind: string, icon: string]> = {
  completed: ["good", "✓"],
  errored: ["bad", "✕"],
  error: ["bad", "✕"],
  running: ["live", "●"],
  started: ["live", "●"],
  created: ["faint", "○"],
  requested: ["faint", "○"],
  paused: ["warn", "‖"],
};

/** The state of a run in a word and an icon; one that says it runs, and gives no sign of life, is lost. */
export function stateOf(run: Run): { word: string; kind: string; icon: string } | null {
  const word = run.status ?? (run.alive ? "running" : null);
  if (word === null) return null;
  const [kind, icon] = STATES[word] ?? ["faint", "○"];
  if (kind === "live" && run.alive === false) return { word: "lost", kind: "warn", icon: "⚠" };
  return { word, kind, icon };
}

/** The color of a run and its style of line, as its lines in the charts have them. */
export function dashes(run: string): string {
  const { color, dash } = styleOf(run);
  if (dash.length === 0) return color;
  let at = 0;
  const stops = dash.map((length, index) => `${index % 2 ? "transparent" : color} ${at}px ${(at += length)}px`);
  return `repeating-linear-gradient(90deg, ${stops.join(", ")})`;
}

/** The name of a run: the folder gives way where there is no room. */
export function nameParts(run: string): [folder: string, last: string] {
  const at = run.lastIndexOf("/") + 1;
  return [run.slice(0, at), run.slice(at)];
}

/** The text of a cell; what is measured in few digits, what was given as it is. */
export function textIn(column: Column, run: Run): string {
  if (column.id === "status") return stateOf(run)?.word ?? "";
  const value = valueIn(column.id)(run);
  if (value === undefined) return "";
  if (column.kind !== "field") return column.kind === "param" ? asText(value) : formatNumber(value as number);
  if (typeof value !== "number") return asText(value);
  if (column.id === "start") return formatTime(value);
  if (column.id === "duration") return formatDuration(value);
  return column.id === "size" ? formatSize(value) : formatCount(value);
}

/** What the runs of a group have in a column: the mean of a metric, or what they share. */
export function textOfMany(column: Column, runs: readonly Run[]): string {
  const value = valueIn(column.id);
  if (column.kind !== "field" && column.kind !== "param") return meanOf(runs.map(value));
  const [first] = runs;
  if (column.kind === "field" || first === undefined) return "";
  const text = asText(value(first));
  return runs.every((run) => asText(value(run)) === text) ? text : "";
}

function meanOf(values: readonly unknown[]): string {
  const numbers = values.flatMap((value) => toNumber(value) ?? []);
  if (numbers.length === 0) return "";
  return `⌀ ${formatNumber(numbers.reduce((sum, number) => sum + number, 0) / numbers.length)}`;
}

/** Tags, each in a frame of its own. */
export function fillTags(box: HTMLElement, tags: readonly string[]): void {
  box.replaceChildren(
    ...tags.flatMap((tag) => {
      const made = document.createElement("span");
      made.className = "tag";
      made.textContent = tag;
      return [made, " "];
    }),
  );
}
