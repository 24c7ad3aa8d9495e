/** The runs and the keys that charts show: what the table draws, taken in when nobody has typed for a moment. */

import { effect, signal } from "@preact/signals";
import { complete, drawn } from "../state";
import type { Run } from "../types";
import { group } from "../runs/shown";
import { groupRuns } from "../runs/order";
import { keysOf } from "./groups";

export interface Shown {
  runs: readonly string[];
  keys: readonly string[];
  /** The runs of each group of the table; empty where it is not grouped. */
  groups: ReadonlyMap<string, readonly string[]>;
}

/** Milliseconds in which changes are gathered: rows that come in change the list of runs many times a second. */
const GATHER = 100;
/** The same while the server is still looking for runs: each one it finds would change every band. */
const LOOKING = 1000;

export const shown = signal<Shown>({ runs: [], keys: [], groups: new Map() });

let timer = 0;

effect(() => {
  const runs = drawn.value;
  void group.value;
  if (shown.peek().runs.length === 0) take(runs);
  else timer ||= window.setTimeout(() => take(drawn.peek()), complete.peek() ? GATHER : LOOKING);
});

function take(runs: readonly Run[]): void {
  timer = 0;
  const by = group.peek();
  const groups = new Map(by.length === 0 ? [] : groupRuns(runs, by).map(({ name, runs: mine }) => [name, mine.map((run) => run.run)]));
  const next = { runs: runs.map((run) => run.run), keys: keysOf(runs), groups };
  const before = shown.peek();
  if (!isSame(before.runs, next.runs) || !isSame(before.keys, next.keys) || !isSameGroups(before.groups, next.groups)) shown.value = next;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

function isSameGroups(one: Shown["groups"], other: Shown["groups"]): boolean {
  return isSame([...one.keys()], [...other.keys()]) && [...one].every(([name, mine]) => isSame(mine, other.get(name) ?? []));
}
