/** What can be done with rows: move among them, select, hide, pin, fold. The keys and the mouse call the same. */

import { signal } from "@preact/signals";
import { go } from "../route";
import { found, hidden, pinned, selected } from "../state";
import type { Row } from "./order";
import { folded, places, rows, setList } from "./shown";

/** The key of the row that the keyboard is at. */
export const cursor = signal<string | null>(null);
/** Where a range of selected rows begins. */
let anchor: string | null = null;

const LISTS = { sel: selected, hide: hidden, pin: pinned };

/** The row that the keyboard is at. */
export function current(): Row | null {
  const at = cursor.value === null ? undefined : places.value.get(cursor.value);
  return at === undefined ? null : (rows.value[at] ?? null);
}

/** The names of the runs of a row: one, or those of a group. */
export function runsOf(row: Row | null): string[] {
  if (!row) return [];
  return row.group ? row.group.runs.map((run) => run.run) : row.run === null ? [] : [row.run];
}

/** What an action is about: the selected runs that are found, or the one that the keyboard is at. */
export function targets(): string[] {
  const chosen = found.value.filter((run) => selected.value.has(run.run)).map((run) => run.run);
  return chosen.length ? chosen : runsOf(current());
}

/** Put the keyboard at a row; false where there is none. */
export function moveTo(index: number, extends_ = false): boolean {
  const row = rows.value[Math.max(0, Math.min(index, rows.value.length - 1))];
  if (!row) return false;
  if (extends_) extendTo(row.key, cursor.value ?? row.key);
  else anchor = row.key;
  cursor.value = row.key;
  return true;
}

/** Move by so many rows; the first move only says where the keyboard is. */
export function moveBy(count: number, extends_ = false): boolean {
  const at = cursor.value === null ? undefined : places.value.get(cursor.value);
  return moveTo(at === undefined ? 0 : at + count, extends_);
}

/** Select all rows from where the range began. */
export function extendTo(key: string, from: string): void {
  anchor ??= from;
  const ends = [places.value.get(anchor) ?? 0, places.value.get(key) ?? 0].sort((one, other) => one - other);
  const range = rows.value.slice(ends[0], (ends[1] ?? 0) + 1);
  put("sel", range.filter((row) => row.run !== null).flatMap(runsOf), true);
}

/** Select a row, or take it out; with `isRange` all between it and the one before. */
export function select(row: Row, isRange: boolean): void {
  if (isRange) extendTo(row.key, cursor.value ?? row.key);
  else {
    toggle("sel", runsOf(row));
    anchor = row.key;
  }
  cursor.value = row.key;
}

/** Put runs into a list of the address, or take them out of it. */
export function put(list: keyof typeof LISTS, names: readonly string[], isIn: boolean): void {
  const next = new Set(LISTS[list].value);
  for (const name of names) {
    if (isIn) next.add(name);
    else next.delete(name);
  }
  setList(list, next);
}

/** Take runs out of a list when all of them are in it, else put all in. */
export function toggle(list: keyof typeof LISTS, names: readonly string[]): void {
  put(list, names, !names.every((name) => LISTS[list].value.has(name)));
}

/** Show or do not show the runs of a group. */
export function fold(row: Row, isFolded = row.group !== null && !folded.value.has(row.group.name)): void {
  if (!row.group) return;
  const next = new Set(folded.value);
  if (isFolded) next.add(row.group.name);
  else next.delete(row.group.name);
  setList("fold", next);
}

/** Open the run of a row, or fold its group. */
export function open(row: Row): void {
  if (row.run === null) fold(row);
  else go("run", row.run);
}

/** Give the keyboard to the table. */
export function focusTable(): void {
  document.querySelector<HTMLElement>(".runs-table .grid")?.focus({ preventScroll: true });
}
