/** The data of all charts in view: one request for what is missing, kept by question, and what is new appended. */

import { effect } from "@preact/signals";
import { BAND_BINS, getSeries, LINE_POINTS, Refused } from "../api";
import { again, connected, watch, type Watcher } from "../live";
import { runs } from "../state";
import type { Band, BandQuestion, Line, LineQuestion, SeriesAnswer } from "../types";
import { Entries, type Entry } from "./entries";
import { Tail } from "./tail";
import { Series } from "./thin";

/** What a chart shows. */
export interface Want {
  lines: LineQuestion[];
  bands: BandQuestion[];
  /** How many points each line may have. */
  points: number;
}

/** Bytes that a question may have, by the same limits. */
const BYTES = 2 ** 21;
/** Up to so many points the values come in full precision. */
const EXACT = 60_000;
/** A band, which is asked for whole, is asked for again after so many milliseconds, or later where the server is slow: new rows are put to its end meanwhile. */
const BAND_PAUSE = 1000;
const LONGEST_PAUSE = 10_000;
const RETRY = 2000;
const REFUSED_RETRY = 60_000;

const entries = new Entries();
let timer = 0;

/** The place of one chart: what it wants, and what there is of it. */
export class Seat {
  private wanted = new Set<Entry>();
  /** What the server said no with. */
  fault: string | null = null;

  constructor(readonly onNews: () => void) {}

  /** Say what is shown now; what was shown before is let go. */
  ask(want: Want): void {
    const next = new Set([...want.lines, ...want.bands].map((question) => entries.use(question, want.points)));
    for (const entry of this.wanted) if (!next.has(entry)) entry.seats.delete(this);
    for (const entry of next) {
      if (entry.seats.size === 0 && !entry.asked && !isFresh(entry)) entry.isStale = true;
      entry.seats.add(this);
    }
    this.wanted = next;
    soon(0);
    listenSoon(LETTING_GO);
  }

  /** The line of a question; null while it is not there. */
  series(question: LineQuestion, points: number): Series | null {
    return entries.get(question, points)?.series ?? null;
  }

  band(question: BandQuestion, points: number): Band | null {
    return entries.get(question, points)?.tail?.whole() ?? null;
  }

  /** Whether something is still to come. */
  get isWaiting(): boolean {
    return [...this.wanted].some((entry) => !entry.series && !entry.tail);
  }

  leave(): void {
    this.ask({ lines: [], bands: [], points: 1 });
  }
}

/** Whether nothing has come since it was asked for; while it is in view, news come by themselves. */
function isFresh({ question, series, tail, heard }: Entry): boolean {
  const rows = (run: string) => runs.value.get(run)?.rows ?? 0;
  if ("run" in question) return series !== null && rows(question.run) <= series.rows;
  return tail !== null && question.runs.every((run) => rows(run) <= (heard.get(run) ?? -1));
}

function soon(after: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(flush, after);
}

/** Ask for all that is missing of what is in view: in one request, where the limit of the server leaves it one. */
export function flush(): void {
  abandon();
  const now = performance.now();
  const missing = entries.all().filter((entry) => entry.isStale && !entry.asked && entry.seats.size > 0);
  const due = missing.filter((entry) => entry.notBefore <= now);
  const points = Math.max(1, ...due.map((entry) => entry.points));
  const room = { lines: Math.floor(LINE_POINTS / points), bins: BAND_BINS, bytes: BYTES };
  const batch = due.filter(({ id, question }, at) => {
    room.bytes -= 4 * id.length; // more than it has as JSON
    if ("run" in question) room.lines--;
    else room.bins -= question.bins;
    return at === 0 || Math.min(room.lines, room.bins, room.bytes) >= 0;
  });
  if (batch.length > 0) void fetchBatch(batch, points);
  if (batch.length < due.length) return soon(0);
  const waiting = missing.filter((entry) => entry.notBefore > now).map((entry) => entry.notBefore - now);
  if (waiting.length > 0) soon(Math.min(...waiting));
}

/** End the requests that nobody waits for any more. */
function abandon(): void {
  const asked = entries.all().filter((entry) => entry.asked);
  const needed = new Set(asked.filter((entry) => entry.seats.size > 0).map((entry) => entry.asked));
  for (const { asked: controller } of asked) if (!needed.has(controller)) controller?.abort();
}

async function fetchBatch(batch: Entry[], points: number): Promise<void> {
  const controller = new AbortController();
  for (const entry of batch) [entry.asked, entry.isStale] = [controller, false];
  const lines = batch.filter((entry) => "run" in entry.question);
  const bands = batch.filter((entry) => "runs" in entry.question);
  const precision = lines.length * points > EXACT ? 32 : 64;
  const begun = performance.now();
  let fault: string | null = null;
  try {
    const asked = { lines: lines.map((entry) => entry.question), bands: bands.map((entry) => entry.question), points, precision };
    take(await getSeries(asked as Parameters<typeof getSeries>[0], controller.signal), lines, bands, performance.now() - begun);
  } catch (error) {
    const { aborted } = controller.signal;
    const pause = error instanceof Refused && error.status < 500 ? REFUSED_RETRY : RETRY;
    for (const entry of batch) [entry.isStale, entry.notBefore] = [true, aborted ? 0 : performance.now() + pause];
    if (!aborted) fault = error instanceof Error ? error.message : String(error);
  }
  settle(batch, fault);
}

function take(answer: SeriesAnswer, lines: Entry[], bands: Entry[], took: number): void {
  answer.lines.forEach((line, at) => {
    (lines[at] as Entry).series = new Series(line);
  });
  answer.bands.forEach((band, at) => {
    const entry = bands[at] as Entry;
    const older = entry.tail;
    entry.tail = new Tail(band);
    if (older) entry.tail.goOnFrom(older, entry.question.to);
    entry.notBefore = performance.now() + Math.min(LONGEST_PAUSE, Math.max(BAND_PAUSE, 2 * took));
    for (const run of (entry.question as BandQuestion).runs) {
      entry.heard.set(run, Math.max(entry.heard.get(run) ?? 0, runs.value.get(run)?.rows ?? 0));
    }
  });
}

function settle(batch: Entry[], fault: string | null): void {
  const told = new Set<object>();
  for (const entry of batch) {
    entry.asked = null;
    entry.seats.forEach((seat) => told.add(seat));
  }
  for (const seat of told as Set<Seat>) {
    seat.fault = fault;
    seat.onNews();
  }
  entries.forget();
  listenSoon(SCROLLING);
  soon(0);
}

// What is new: one watcher for each x, of all keys that are in view

const watchers = new Map<string, { watcher: Watcher; keys: Set<string>; runs: Set<string>; stop: () => void }>();
/** What is no longer in view is watched on for so many milliseconds: who scrolls may come back. */
const LETTING_GO = 1500;
/** What comes into view within so many milliseconds is watched with one new request. */
const SCROLLING = 120;
let listenTimer = 0;
let listenAt = Infinity;

function listenSoon(after: number): void {
  const at = performance.now() + after;
  if (at >= listenAt) return;
  clearTimeout(listenTimer);
  listenAt = at;
  listenTimer = window.setTimeout(listen, after);
}

/** Watch what is in view; the stream is asked for anew only when that has changed. */
function listen(): void {
  listenAt = Infinity;
  const seen = entries.all().filter((entry) => entry.seats.size > 0 && (entry.series || entry.tail));
  for (const [x, { stop }] of watchers) {
    if (seen.some((entry) => entry.question.x === x)) continue;
    stop();
    watchers.delete(x);
    again(60);
  }
  for (const x of new Set(seen.map((entry) => entry.question.x))) {
    const keys = new Set(seen.filter((entry) => entry.question.x === x).map((entry) => entry.question.key));
    listenTo(x, keys, new Set(rowsKnown(x).keys()));
  }
}

function listenTo(x: string, keys: Set<string>, names: Set<string>): void {
  const known = watchers.get(x);
  if (known && isSame(known.keys, keys) && isSame(known.runs, names)) return;
  if (known) {
    Object.assign(known, { keys, runs: names });
    known.watcher.keys = [...keys];
    again(60);
    return;
  }
  const watcher: Watcher = { keys: [...keys], x, rows: () => rowsKnown(x), onLine: takeNews, onReset };
  watchers.set(x, { watcher, keys, runs: names, stop: watch(watcher) });
}

function isSame(one: Set<string>, other: Set<string>): boolean {
  return one.size === other.size && [...one].every((item) => other.has(item));
}

/** Up to which row each run is known: to the least of its lines in view. */
function rowsKnown(x: string): Map<string, number> {
  const known = new Map<string, number>();
  const mind = (run: string, rows: number) => known.set(run, Math.min(rows, known.get(run) ?? Infinity));
  for (const { question, seats, series, heard } of entries.all()) {
    if (question.x !== x || seats.size === 0) continue;
    if ("run" in question && series) mind(question.run, series.rows);
    if ("runs" in question) for (const run of question.runs) mind(run, heard.get(run) ?? runs.value.get(run)?.rows ?? 0);
  }
  return known;
}

function takeNews(line: Line): void {
  for (const entry of entries.lines(line.key, line.x, line.run)) grow(entry, line);
  for (const entry of entries.bands(line.key, line.x)) {
    if (line.rows <= (entry.heard.get(line.run) ?? Infinity)) continue; // also of a run that is not in the band
    const isNext = line.start === entry.heard.get(line.run);
    entry.heard.set(line.run, line.rows);
    if (line.n === 0) continue;
    if (isNext) entry.tail?.add(line.run, line.xs, line.ys, entry.question.to);
    entry.seats.forEach((seat) => (seat as Seat).onNews());
    refresh(entry);
  }
}

function grow(entry: Entry, line: Line): void {
  const { series } = entry;
  if (!series || line.rows <= series.rows) return;
  if (line.start !== series.rows) return refresh(entry);
  const { from, to } = entry.question;
  // A row that is not at the end of x, which a metric may have, is put where it belongs by the server.
  if (line.n > 0 && (line.xs[0] as number) < (series.xs.at(-1) ?? -Infinity)) return refresh(entry);
  series.append(line.xs, line.ys, from, to, 2 * entry.points);
  series.rows = line.rows;
  if (line.n > 0) entry.seats.forEach((seat) => (seat as Seat).onNews());
}

function refresh(entry: Entry): void {
  if (!entry.isStale && entry.seats.size > 0 && !entry.asked) soon(20);
  entry.isStale = true;
}

/** The file of a run was replaced: all that is known of it is asked for again. */
function onReset(run: string): void {
  for (const entry of entries.all()) {
    const { question } = entry;
    if ("run" in question ? question.run !== run : !question.runs.includes(run)) continue;
    if (entry.heard.has(run)) entry.heard.set(run, 0);
    entry.tail = entry.tail?.withoutNews() ?? null;
    entry.notBefore = 0;
    refresh(entry);
  }
}

effect(() => {
  if (connected.value && entries.all().some((entry) => entry.isStale)) soon(0);
});
