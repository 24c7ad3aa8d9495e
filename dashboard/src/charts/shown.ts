/** The runs and the keys that charts show: what the table draws, taken in when nobody has typed for a moment. */

import { effect, signal } from "@preact/signals";
import { drawn } from "../state";
import type { Run } from "../types";
import { keysOf } from "./groups";

export interface Shown {
  runs: readonly string[];
  keys: readonly string[];
}

/** Milliseconds in which changes are gathered: rows that come in change the list of runs many times a second. */
const GATHER = 100;

export const shown = signal<Shown>({ runs: [], keys: [] });

let timer = 0;

effect(() => {
  const runs = drawn.value;
  if (shown.peek().runs.length === 0) take(runs);
  else timer ||= window.setTimeout(() => take(drawn.peek()), GATHER);
});

function take(runs: readonly Run[]): void {
  timer = 0;
  const next = { runs: runs.map((run) => run.run), keys: keysOf(runs) };
  const before = shown.peek();
  if (!isSame(before.runs, next.runs) || !isSame(before.keys, next.keys)) shown.value = next;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}
