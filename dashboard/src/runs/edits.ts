/** Changes of runs: what the server is asked for, and what is said of it, with a way back. */

import { edit, getRuns } from "../api";
import { hidden, pinned, selected, takeRuns, version } from "../state";
import type { Run } from "../types";
import { cursor } from "./act";
import { say } from "./message";
import { setList } from "./shown";

const LISTS = [["sel", selected], ["hide", hidden], ["pin", pinned]] as const;

interface Undo {
  undo: string;
}

/** Ask for what has changed: the stream tells it too, but not before it is connected. */
async function refresh(): Promise<void> {
  takeRuns(await getRuns(version.value ?? undefined), true);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function counted(count: number, name: string): string {
  return count === 1 ? name : `${count} runs`;
}

/** Move runs to the trash, and offer to take them back. */
export async function remove(names: readonly string[]): Promise<void> {
  const undone: string[] = [];
  let fault = "";
  try {
    for (const run of names) undone.push((await edit<Undo>({ action: "delete", run })).undo);
  } catch (error) {
    fault = ` Then the server said: ${reason(error)}`;
  }
  replace(new Map(names.slice(0, undone.length).map((name) => [name, null])));
  await refresh().catch(() => undefined); // the stream tells it later
  const gone = undone.length === 0 ? "Nothing was deleted." : `Deleted ${counted(undone.length, names[0] ?? "")}.`;
  say(gone + fault, undone.length === 0 ? null : () => restore(undone, names));
}

async function restore(ids: readonly string[], names: readonly string[]): Promise<void> {
  try {
    for (const undo of ids.toReversed()) await edit({ action: "restore", undo });
    say(`${counted(ids.length, names[0] ?? "")} ${ids.length === 1 ? "is" : "are"} back.`);
  } catch (error) {
    say(`It could not be undone. The server said: ${reason(error)}`);
  }
  await refresh().catch(() => undefined);
}

/** The tags that all of these runs have. */
export function tagsIn(chosen: readonly Run[]): string[] {
  const [first, ...rest] = chosen;
  return (first?.tags ?? []).filter((tag) => rest.every((run) => run.tags.includes(tag)));
}

/** Tags as they are typed. */
export function parseTags(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
}

/** The tags of one run, when the tags that some share are replaced. */
export function newTags(run: Run, shared: readonly string[], wanted: readonly string[]): string[] {
  return [...new Set([...run.tags.filter((tag) => !shared.includes(tag)), ...wanted])];
}

interface Wish {
  to: string | null;
  tags: string;
  note: string | null;
}

/** Change what differs; what the server says against it, or null. The name comes last: until then the run has the old one. */
export async function save(chosen: readonly Run[], wish: Wish): Promise<string | null> {
  const shared = tagsIn(chosen);
  try {
    for (const run of chosen) {
      const tags = newTags(run, shared, parseTags(wish.tags));
      if (tags.join("\n") !== run.tags.join("\n")) await edit({ action: "tag", run: run.run, tags });
      if (wish.note !== null && wish.note !== run.note) await edit({ action: "note", run: run.run, text: wish.note });
      if (wish.to !== null && wish.to !== run.run) await rename(run.run, wish.to);
    }
    await refresh();
    return null;
  } catch (error) {
    return reason(error);
  }
}

/** Rename a run, and what the address says of it. */
async function rename(run: string, to: string): Promise<void> {
  await edit({ action: "rename", run, to });
  replace(new Map([[run, to]]));
  if (cursor.value === run) cursor.value = to;
}

/** Let the lists of the address follow runs that have other names now, or are gone. */
function replace(names: ReadonlyMap<string, string | null>): void {
  for (const [list, has] of LISTS) {
    if (![...names.keys()].some((name) => has.value.has(name))) continue;
    setList(list, [...has.value].flatMap((name) => (names.has(name) ? (names.get(name) ?? []) : name)));
  }
}
