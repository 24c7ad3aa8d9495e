/** The runs and the keys that charts show: what the table draws, taken in when nobody has typed for a moment. */

import { effect, signal } from "@preact/signals";
import { complete, drawn } from "../state";
import type { Run } from "../types";
import { group } from "../runs/shown";
import { groupRuns } from "../runs/order";
import { keysOf } from "./groups";

export interface Shown {
  runs: readonly string[];
  /** How many runs the table draws: of very many, charts show some. */
  total: number;
  keys: readonly string[];
  /** The runs of each group of the table; empty where it is not grouped. */
  groups: ReadonlyMap<string, readonly string[]>;
}

/** Milliseconds in which changes are gathered: rows that come in change the list of runs many times a second. */
const GATHER = 100;
/** The same while the server is still looking for runs: each one it finds would change every band. */
const LOOKING = 1000;

/** So many runs are drawn at most: the server would have to read all the others, and nobody tells them apart. */
const MOST = 500;

export const shown = signal<Shown>({ runs: [], total: 0, keys: [], groups: new Map() });

let timer = 0;

effect(() => {
  const runs = drawn.value;
  void group.value;
  if (shown.peek().runs.length === 0 || runs.length === 0) take(runs); // there was nothing, or all of it was forgotten
  else timer ||= window.setTimeout(() => take(drawn.peek()), complete.peek() ? GATHER : LOOKING);
});

/** The runs that began last, in the order that they come in. */
function latest(runs: readonly Run[]): readonly Run[] {
  if (runs.length <= MOST) return runs;
  const kept = new Set([...runs].sort((one, other) => (other.start ?? 0) - (one.start ?? 0)).slice(0, MOST));
  return runs.filter((run) => kept.has(run));
}

function take(all: readonly Run[]): void {
  timer = 0;
  const runs = latest(all);
  const by = group.peek();
  const groups = new Map(by.length === 0 ? [] : groupRuns(runs, by).map(({ name, runs: mine }) => [name, mine.map((run) => run.run)]));
  const next = { runs: runs.map((run) => run.run), keys: keysOf(runs), groups, total: all.length };
  const before = shown.peek();
  if (before.total !== next.total || !isSame(before.runs, next.runs) || !isSame(before.keys, next.keys) || !isSameGroups(before.groups, next.groups)) shown.value = next;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

function isSameGroups(one: Shown["groups"], other: Shown["groups"]): boolean {
  return isSame([...one.keys()], [...other.keys()]) && [...one].every(([name, mine]) => isSame(mine, other.get(name) ?? []));
}
