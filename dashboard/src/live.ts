/** One stream for the page: what is on the screen is watched, and only what is new comes. */

import { effect, signal } from "@preact/signals";
import { getRuns, openLive, type LiveQuestion } from "./api";
import { isLetIn, runs, takeRuns, version } from "./state";
import type { Line, RunsAnswer } from "./types";
import { Messages, type Message } from "./wire";

/** Something on the screen that wants to hear of news. */
export interface Watcher {
  keys?: string[];
  x?: string;
  /** Which runs, and up to which row each is known. */
  rows?: () => ReadonlyMap<string, number>;
  files?: string[];
  onLine?: (line: Line) => void;
  /** The file of a run was replaced: what was known of it is wrong. */
  onReset?: (run: string) => void;
  /** The size of a file now; null when it is gone. */
  onFile?: (key: string, size: number | null) => void;
}

/** Whether the page hears of news now. */
export const connected = signal(false);

const watchers = new Set<Watcher>();
const PATIENCE = [250, 500, 1000, 2000, 5000];
/** Milliseconds in which changes of the screen are gathered into one new request. */
const GATHER = 60;
/** The same while the page is made, and one thing after another comes into view. */
const FIRST = 300;
let attempt: AbortController | null = null;
let failures = 0;
let timer = 0;
let begun = false;

/** Watch as long as the returned function is not called. */
export function watch(watcher: Watcher): () => void {
  watchers.add(watcher);
  again(GATHER);
  return () => {
    watchers.delete(watcher); // what it watched still comes until the next request, and nobody listens
  };
}

function question(): LiveQuestion {
  const keys = new Set<string>();
  const xs = new Set<string>();
  const files = new Set<string>();
  const rows: Record<string, number> = {};
  for (const watcher of watchers) {
    watcher.keys?.forEach((key) => keys.add(key));
    if (watcher.x !== undefined) xs.add(watcher.x);
    watcher.files?.forEach((file) => files.add(file));
    for (const [run, known] of watcher.rows?.() ?? []) {
      if (runs.value.has(run)) rows[run] = Math.min(known, rows[run] ?? Infinity); // others were there for somebody else
    }
  }
  return { runs: version.value, watch: { keys: [...keys], xs: [...xs], runs: rows }, files: [...files] };
}

/** Ask anew, soon: the screen, or the connection, has changed. */
export function again(after: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void listen(), after);
}

async function listen(): Promise<void> {
  attempt?.abort();
  // Where nobody looks: browsers have but six connections to a server for all of its pages. Nor is there news for who
  // is not let in any more.
  if (document.hidden || !isLetIn.value) {
    attempt = null;
    connected.value = false;
    return;
  }
  const mine = (attempt = new AbortController());
  try {
    const reader = (await openLive(question(), mine.signal)).getReader();
    const messages = new Messages();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      failures = 0;
      for (const message of messages.take(read.value)) tell(message);
    }
  } catch {
    // the server is away, or this was ended: what follows is the same
  }
  if (attempt !== mine) return;
  connected.value = false;
  again(PATIENCE[Math.min(failures++, PATIENCE.length - 1)] ?? 0);
}

function tell(message: Message): void {
  if (message.kind === "series") {
    for (const line of message.value.lines) for (const watcher of watchers) watcher.onLine?.(line);
    return;
  }
  const { kind, run, files } = message.value;
  if (kind === "hello") connected.value = true;
  if (kind === "runs") takeRuns(message.value as unknown as RunsAnswer, true);
  if (kind === "reset") for (const watcher of watchers) watcher.onReset?.(String(run));
  if (kind === "files") {
    for (const [key, size] of Object.entries(files as Record<string, number | null>)) {
      for (const watcher of watchers) watcher.onFile?.(key, size);
    }
  }
}

let loading: Promise<void> | null = null;

/** Ask for all runs; if they do not come now, they come with the news. */
export function loadRuns(): Promise<void> {
  return (loading ??= getRuns().then(
    (answer) => takeRuns(answer, false),
    () => undefined,
  ));
}

/** Listen, once there are the runs that were asked for; whoever comes later, with another token, asks anew. */
export async function begin(): Promise<void> {
  await loadRuns();
  loading = null;
  begun = true;
  again(FIRST);
}

document.addEventListener("visibilitychange", () => {
  if (begun) again(0);
});

effect(() => {
  document.documentElement.dataset["connected"] = String(connected.value);
});
