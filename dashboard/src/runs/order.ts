/** The order of the table: sorted by a column, grouped by parameters, with the pinned runs first. Pure. */

import type { Run } from "../types";
import { valueIn } from "./columns";
import { asText, naturalKey, naturally, toNumber } from "./values";

/** How many runs share the values of what is grouped by, and which. */
export interface Group {
  name: string;
  runs: Run[];
}

/** One line of the table: a run, or the head of a group. */
export interface Row {
  /** The name of the run, or `group:` and that of the group. */
  key: string;
  run: string | null;
  group: Group | null;
}

export interface Order {
  group: readonly string[];
  pinned: ReadonlySet<string>;
  folded: ReadonlySet<string>;
}

/** The group of a run: the values of what is grouped by, which are names of parameters, `status` or `tags`. */
export function groupName(run: Run, group: readonly string[]): string {
  return group.map((by) => `${by.replace(/^param:|^.*\./g, "")} = ${asText(valueIn(columnOf(by))(run)) || "–"}`).join(" · ");
}

function columnOf(by: string): string {
  return by === "status" || by === "tags" || by.startsWith("param:") ? by : `param:${by}`;
}

/** The lines of the table, from runs that are sorted. */
export function arrangeRows(sorted: readonly Run[], order: Order): Row[] {
  const rows: Row[] = [];
  if (order.pinned.size) rows.push(...sorted.filter((run) => order.pinned.has(run.run)).map(asRow));
  const rest = order.pinned.size ? sorted.filter((run) => !order.pinned.has(run.run)) : sorted;
  if (order.group.length === 0) return rows.concat(rest.map(asRow));
  for (const group of groupRuns(rest, order.group)) {
    rows.push({ key: `group:${group.name}`, run: null, group });
    if (!order.folded.has(group.name)) rows.push(...group.runs.map(asRow));
  }
  return rows;
}

function asRow(run: Run): Row {
  return { key: run.run, run: run.run, group: null };
}

/** Runs with the same values together; groups in the order of the values. */
export function groupRuns(runs: readonly Run[], by: readonly string[]): Group[] {
  const groups = new Map<string, Group>();
  for (const run of runs) {
    const name = groupName(run, by);
    const group = groups.get(name);
    if (group) group.runs.push(run);
    else groups.set(name, { name, runs: [run] });
  }
  let found = [...groups.values()];
  for (const id of by.toReversed()) found = sortGroups(found, columnOf(id));
  return found;
}

function sortGroups(groups: readonly Group[], id: string): Group[] {
  const value = valueIn(id);
  const items = groups.map((group) => ({ group, ...keyOf(group.runs[0] as Run, value(group.runs[0] as Run)) }));
  return items.sort((one, other) => compare(one, other, 1)).map((item) => item.group);
}

/** Runs by the values of a column: `-` before it turns them round; what has no value comes last either way. */
export function sortRuns(runs: readonly Run[], sort: string): Run[] {
  const sign = sort.startsWith("-") ? -1 : 1;
  const value = valueIn(sort.replace(/^-/, ""));
  const items = runs.map((run) => keyOf(run, value(run)));
  items.sort((one, other) => compare(one, other, sign) || naturally(one.run.run, other.run.run));
  return items.map((item) => item.run);
}

function compare(one: Keyed, other: Keyed, sign: number): number {
  if (one.rank !== other.rank) return one.rank - other.rank;
  if (one.number !== other.number) return sign === -1 ? other.number - one.number : one.number - other.number;
  if (one.text === other.text) return 0;
  return one.text < other.text === (sign !== -1) ? -1 : 1;
}

interface Keyed {
  run: Run;
  /** Numbers, then texts, then what is not a number, then nothing. */
  rank: number;
  number: number;
  text: string;
}

function keyOf(run: Run, value: unknown): Keyed {
  if (value === undefined || value === null) return { run, rank: 3, number: 0, text: "" };
  const number = typeof value === "boolean" ? null : toNumber(value);
  if (number === null) return { run, rank: 1, number: 0, text: naturalKey(asText(value)) };
  return Number.isNaN(number) ? { run, rank: 2, number: 0, text: "" } : { run, rank: 0, number, text: "" };
}
