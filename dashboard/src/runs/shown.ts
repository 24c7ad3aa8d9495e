/** What the table shows now: its columns and its rows, from the runs that are found and from the address. */

import { computed, effect, signal } from "@preact/signals";
import { route, setQuery } from "../route";
import { found, listed, pinned, query, runs } from "../state";
import type { Run } from "../types";
import { arrange, chosen, scan, type Column, type Scan } from "./columns";
import { arrangeRows, sortRuns, type Row } from "./order";
import { metricFilter, textOf } from "./search";
import { inSlices } from "./slices";
import { naturalKey } from "./values";

const listOf = (name: string) => computed(() => (route.value.query.get(name) ?? "").split(",").filter(Boolean).map(decodeURIComponent));

/** What runs are grouped by: names of parameters, `status` or `tags`; see groupName. */
export const group = listOf("group");
/** The groups that show no runs. */
export const folded = computed(() => new Set(foldList.value));
/** Columns that were chosen (`id`) or left out (`-id`) by hand. */
export const choice = computed(() => new Set(colsList.value));
/** The column that is sorted by, with a `-` before it when the greatest come first. */
export const sort = computed(() => route.value.query.get("sort") ?? "-start");

const foldList = listOf("fold");
const colsList = listOf("cols");

/** Put a list into the address. */
export function setList(name: string, values: Iterable<string>): void {
  setQuery({ [name]: listed(values) });
}

/** Fewer runs than this are arranged anew at each change; more of them after these pauses, in milliseconds. */
const FEW = 500;
const ORDER_PAUSE = 200;
const SCAN_PAUSE = 2000;
/** Somebody who types may type on: the columns can wait. */
const SCAN_DELAY = 250;
/** Milliseconds in which the columns of some hundred runs are found: of more, the table is drawn before. */
const FIRST_LOOK = 25;

const NOTHING: Scan = { parameters: new Map(), metrics: [], common: "", longestName: 0, hasStatus: false, hasTags: false, hasNotes: false, described: 0, runs: 0 };

/** What is known of all runs that are found: it follows a little later where there are many. */
export const scanned = signal<Scan>(NOTHING);

const arranged = computed(() => arrange(scanned.value, chosen(scanned.value, choice.value), metricFilter(query.value)));
let lastColumns: readonly Column[] = [];
/** The columns that are shown; the same object as long as nothing in it changes. */
export const columns = computed<readonly Column[]>(() => {
  const next = arranged.value;
  const isSame = next.length === lastColumns.length && next.every((column, at) => same(column, lastColumns[at]));
  return isSame ? lastColumns : (lastColumns = next);
});

function same(one: Column, other: Column | undefined): boolean {
  return one.id === other?.id && one.width === other.width && one.label === other.label && one.isNumber === other.isNumber;
}

/** The rows of the table, in order. */
export const rows = signal<readonly Row[]>([]);
/** Where each row stands. */
export const places = computed(() => new Map(rows.value.map((row, at) => [row.key, at])));

/** Call after `delay` when what somebody asked for has changed, and with pauses when only the runs did. */
function settled(asked: () => string, delay: number, pause: number, act: (all: readonly Run[]) => void): () => void {
  let last: string | null = null;
  let timer = 0;
  const now = () => {
    timer = 0;
    act(found.peek());
  };
  return effect(() => {
    const wish = asked();
    const isMuch = found.value.length > FEW;
    if (isMuch && wish === last) {
      timer ||= window.setTimeout(now, pause);
      return;
    }
    const isFirst = last === null;
    last = wish;
    clearTimeout(timer);
    if (isMuch && !isFirst && delay > 0) timer = window.setTimeout(now, delay);
    else now();
  });
}

let lastSorted: { of: ReadonlyMap<string, Run>; by: string; runs: readonly Run[] } | null = null;

/** Sort runs that are found: all runs are sorted once, and a search that goes on only picks from them. */
function sorted(all: readonly Run[]): readonly Run[] {
  const [of, by] = [runs.peek(), sort.peek()];
  if (lastSorted?.of !== of || lastSorted.by !== by) lastSorted = { of, by, runs: sortRuns([...of.values()], by) };
  if (all.length === of.size) return lastSorted.runs;
  const isFound = new Set(all);
  return lastSorted.runs.filter((run) => isFound.has(run));
}

/** Keep columns and rows up to date, until the returned function is called. */
export function follow(): () => void {
  let looking = new AbortController();
  const look = (all: readonly Run[]) => {
    looking.abort();
    looking = new AbortController();
    const take = (value: Scan) => {
      scanned.value = value;
      inSlices(warm(all), () => undefined, looking.signal);
    };
    inSlices(scan(all), take, looking.signal, FIRST_LOOK);
  };
  const order = (all: readonly Run[]) => {
    rows.value = arrangeRows(sorted(all), { group: group.peek(), pinned: pinned.peek(), folded: folded.peek() });
  };
  const asked = () => [query.value, sort.value, ...group.value, "", ...pinned.value, "", ...folded.value].join("\n");
  // The columns first: rows are drawn with them, and not twice.
  const ends = [settled(() => query.value, SCAN_DELAY, SCAN_PAUSE, look), settled(asked, 0, ORDER_PAUSE, order)];
  return () => {
    looking.abort();
    for (const end of ends) end();
  };
}

/** Make ready what the next key of a search, or the next sort, would have to wait for. */
function* warm(all: readonly Run[]): Generator<void> {
  for (const [at, run] of all.entries()) {
    textOf(run);
    naturalKey(run.run);
    if (at % 100 === 99) yield;
  }
}

/** The run of a row as it is now. */
export function runOf(row: Row): Run | undefined {
  return row.run === null ? undefined : runs.value.get(row.run);
}
