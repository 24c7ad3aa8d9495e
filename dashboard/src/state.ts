/** What all views share: the runs, which of them are seen, and how each is drawn. */

import { computed, signal } from "@preact/signals";
import { colorOf } from "./colors";
import { route } from "./route";
import { matcher } from "./runs/search";
import type { Run, RunsAnswer, Session } from "./types";

export const runs = signal<ReadonlyMap<string, Run>>(new Map());
/** The version that `runs` is of; null before the first answer. */
export const version = signal<string | null>(null);
/** False while the server is still looking for runs. */
export const complete = signal(false);
export const session = signal<Session | null>(null);
/** Whether no token is needed, or there is one that may do something. */
export const isLetIn = computed(() => session.value !== null && !(session.value.required && session.value.scopes.length === 0));
/** The run that is pointed at, in the table or on a line. */
export const pointed = signal<string | null>(null);
export const canWrite = computed(() => session.value?.scopes.includes("write") ?? false);

/** Take in what the server says of runs. */
export function takeRuns(answer: RunsAnswer, isDelta: boolean): void {
  const next = isDelta && !answer.reset ? new Map(runs.value) : new Map<string, Run>();
  for (const run of answer.runs) next.set(run.run, run);
  for (const name of answer.removed ?? []) next.delete(name);
  runs.value = next;
  version.value = answer.version;
  if (answer.complete !== undefined) complete.value = answer.complete;
}

/** Forget all runs: whoever is let in next may see others. */
export function forgetRuns(): void {
  runs.value = new Map();
  version.value = null;
  complete.value = false;
}

const list = (name: string) => computed(() => new Set((route.value.query.get(name) ?? "").split(",").filter(Boolean).map(decodeURIComponent)));

/** A list of names as it stands in the address. */
export function listed(names: Iterable<string>): string {
  return [...names].map(encodeURIComponent).join(",");
}

export const query = computed(() => route.value.query.get("q") ?? "");
export const selected = list("sel");
export const hidden = list("hide");
export const pinned = list("pin");

/** The runs that the search leaves. */
export const found = computed<readonly Run[]>(() => {
  const matches = matcher(query.value);
  return [...runs.value.values()].filter(matches);
});

/** The runs that are drawn: the selected ones among those found, or all of them; none that are hidden. */
export const drawn = computed<readonly Run[]>(() => {
  const chosen = selected.value;
  return found.value.filter((run) => !hidden.value.has(run.run) && (chosen.size === 0 || chosen.has(run.run)));
});

/** How a run is drawn: a color, and a style of line, so that nothing is told by color alone. */
export interface Style {
  color: string;
  dash: number[];
}

const HUES = [212, 28, 145, 330, 265, 185, 52, 0, 95, 300];
const DASHES = [[], [8, 4], [2, 3], [10, 4, 2, 4]];

/** The style of a run: always the same for one name, however the list is sorted. */
export function styleOf(run: string): Style {
  let hash = 2166136261;
  for (let at = 0; at < run.length; at++) hash = Math.imul(hash ^ run.charCodeAt(at), 16777619) >>> 0;
  return { color: colorOf(HUES[hash % HUES.length] ?? 0, hash >>> 8), dash: DASHES[(hash >>> 12) % DASHES.length] ?? [] };
}
