/** Asks for listings, page by page. */

import { getJson } from "../api";
import { literal } from "./kinds";
import type { Listed } from "./tree";

export interface Page {
  entries: Listed[];
  next?: string;
}

/** The first page is short, so that something is seen at once. */
const FIRST = 500;
const PAGE = 10_000;

/** What lies directly in a folder ("" or with a slash), a page at a time, until nobody wants more. */
export async function* folderPages(folder: string, after = ""): AsyncGenerator<Page> {
  let from: string | undefined = after;
  let limit = after ? PAGE : FIRST;
  while (from !== undefined) {
    const asked = new URLSearchParams({ folder: folder.replace(/\/$/, ""), limit: String(limit), after: from });
    const page: Page = await getJson(`v1/entries?${asked.toString()}`);
    yield page;
    from = page.next;
    limit = PAGE;
  }
}

/** All files below a folder, at most so many; `cut` says that there are more. */
export async function filesBelow(folder: string, most: number, signal?: AbortSignal): Promise<{ entries: Listed[]; cut: boolean }> {
  const entries: Listed[] = [];
  const pattern = folder ? `${literal(folder)}/**` : "**";
  let after: string | undefined = "";
  while (after !== undefined && entries.length < most && !signal?.aborted) {
    const asked = new URLSearchParams({ pattern, limit: String(Math.min(PAGE, most - entries.length)), after });
    const page: Page = await getJson(`v1/entries?${asked.toString()}`);
    for (const entry of page.entries) entries.push(entry);
    after = page.next;
  }
  return { entries, cut: after !== undefined };
}

/** The entry of one file; undefined where there is none. */
export async function fileEntry(key: string): Promise<Listed | undefined> {
  const page: Page = await getJson(`v1/entries?${new URLSearchParams({ pattern: literal(key), limit: "1" }).toString()}`);
  return page.entries[0];
}
