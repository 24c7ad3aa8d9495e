/** Folders as they were opened, and the rows that they make. Pure. */

import { nameOf } from "./kinds";

/** An entry as a listing has it: key (of a folder with a slash), size, time of the last change. */
export type Listed = [key: string, size: number, mtime: number];

/** What is known of a folder: what is in it so far, and the key to go on behind; null when that is all. */
export interface Opened {
  folders: Listed[];
  files: Listed[];
  next: string | null;
  error?: string;
}

/** A folder, and what another page of its listing adds. */
export function grown(known: Opened | undefined, entries: Listed[], next: string | null): Opened {
  const folders = known?.folders ?? [];
  const files = known?.files ?? [];
  for (const entry of entries) (entry[0].endsWith("/") ? folders : files).push(entry); // in place: there may be 100,000
  return { folders, files, next };
}

export interface Row {
  key: string;
  name: string;
  depth: number;
  isFolder: boolean;
  isOpen: boolean;
  size: number;
  mtime: number;
  /** Which of how many in its folder it is, counted from 1. */
  place: number;
  of: number;
}

/** The entries of a folder whose names have all words, whatever the case; opened folders stay. */
function filtered(entries: Listed[], folder: string, words: readonly string[], open: ReadonlySet<string>): Listed[] {
  // Patterns that begin behind the folder: names need not be cut out of 100,000 keys.
  const patterns = words.map((word) => new RegExp(word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi"));
  const has = (key: string) => (pattern: RegExp) => {
    pattern.lastIndex = folder.length;
    return pattern.test(key);
  };
  return entries.filter(([key]) => patterns.every(has(key)) || open.has(key));
}

interface Segment {
  first: number;
  entries: Listed[];
  from: number;
  count: number;
  depth: number;
  place: number;
  of: number;
}

/**
 * The rows of a tree: folders before files, each opened one followed by what is in it. A filter leaves the names that
 * match it, and the opened folders. Rows are made when they are asked for: a folder may hold 100,000 files.
 */
export class Rows {
  count = 0;
  private readonly segments: Segment[] = [];

  constructor(
    top: string,
    private readonly folders: ReadonlyMap<string, Opened>,
    private readonly open: ReadonlySet<string>,
    filter = "",
  ) {
    this.add(top, 0, filter.split(/\s+/).filter(Boolean));
  }

  private add(folder: string, depth: number, words: readonly string[]): void {
    const known = this.folders.get(folder);
    if (!known) return;
    const left = (entries: Listed[]) => (words.length ? filtered(entries, folder, words, this.open) : entries);
    const inner = left(known.folders);
    const files = left(known.files);
    const of = inner.length + files.length;
    let from = 0;
    const put = (entries: Listed[], to: number, place: number): void => {
      if (to > from) this.segments.push({ first: this.count, entries, from, count: to - from, depth, place: place + from, of });
      this.count += Math.max(0, to - from);
      from = to;
    };
    inner.forEach(([key], at) => {
      if (!this.open.has(key)) return;
      put(inner, at + 1, 1);
      this.add(key, depth + 1, words);
    });
    put(inner, inner.length, 1);
    from = 0;
    put(files, files.length, 1 + inner.length);
  }

  at(index: number): Row | undefined {
    const segment = this.segments.findLast((one) => one.first <= index);
    const entry = segment?.entries[segment.from + index - segment.first];
    if (!segment || !entry || index >= this.count) return undefined;
    const [key, size, mtime] = entry;
    const place = segment.place + index - segment.first;
    const isFolder = key.endsWith("/");
    return { key, name: nameOf(key), depth: segment.depth, isFolder, isOpen: isFolder && this.open.has(key), size, mtime, place, of: segment.of };
  }

  slice(from: number, to: number): Row[] {
    const rows: Row[] = [];
    for (let at = from; at < Math.min(to, this.count); at++) {
      const row = this.at(at);
      if (row) rows.push(row);
    }
    return rows;
  }

  /** Where a key is; -1 where it is not. */
  find(key: string): number {
    for (const { entries, from, count, first } of this.segments) {
      for (let at = from; at < from + count; at++) if (entries[at]?.[0] === key) return first + at - from;
    }
    return -1;
  }
}

/** The part of a list that is on the screen, with some rows around it. */
export function inView(count: number, height: number, scroll: number, shown: number, around = 6): [number, number] {
  const first = Math.max(0, Math.floor(scroll / height) - around);
  return [Math.min(first, count), Math.min(count, Math.ceil((scroll + shown) / height) + around)];
}

/** The ways from the data folder to a key: name and key of each folder, the last without a slash where it is a file. */
export function crumbs(key: string): [name: string, key: string][] {
  const parts = key.split("/").filter(Boolean);
  return parts.map((name, at) => [name, `${parts.slice(0, at + 1).join("/")}${at + 1 < parts.length || key.endsWith("/") ? "/" : ""}`]);
}
