/** The tree of a folder. Rows are made for what is on the screen only: a folder may hold 100,000 files. */

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatCount } from "../runs/values";
import { age, bytes, moment } from "./format";
import { folderOf, kindOf } from "./kinds";
import { folderPages } from "./listing";
import { crumbs, grown, inView, Rows, type Opened, type Row } from "./tree";

const HEIGHT = 28;
/** Files of one folder that are listed by themselves; more are asked for by a button. */
const MANY = 100_000;

interface Loaded {
  folders: ReadonlyMap<string, Opened>;
  /** Read a folder that is not known, or go on with one. */
  load: (folder: string, more?: boolean) => void;
  /** How many folders are being read. */
  busy: number;
}

/** What the opened folders hold: asked for page by page while the tree is there. */
function useFolders(top: string, opened: Iterable<string>, fresh: number): Loaded {
  const known = useRef<ReadonlyMap<string, Opened>>(new Map());
  const [folders, take] = useState(known.current);
  const [busy, count] = useState(0);
  const round = useRef(new Set<string>()); // the folders that are being read
  const load = useCallback((folder: string, more = false) => {
    if (!round.current.has(folder) && (more || !known.current.has(folder))) void read(folder);
  }, []);
  async function read(folder: string): Promise<void> {
    const mine = round.current.add(folder);
    const put = (change: (known: Opened | undefined) => Opened) => {
      known.current = new Map(known.current).set(folder, change(known.current.get(folder)));
      take(known.current);
    };
    const after = known.current.get(folder)?.next ?? "";
    count((n) => n + 1);
    try {
      let seen = 0;
      for await (const { entries, next } of folderPages(folder, after)) {
        if (mine !== round.current) return;
        put((old) => grown(old, entries, next ?? null));
        if ((seen += entries.length) >= MANY) return;
      }
    } catch (error) {
      if (mine === round.current) put((old) => ({ folders: [], files: [], next: null, ...old, error: error instanceof Error ? error.message : String(error) }));
    } finally {
      mine.delete(folder);
      if (mine === round.current) count((n) => n - 1);
    }
  }
  useEffect(() => {
    round.current = new Set();
    take((known.current = new Map()));
    count(0);
    for (const folder of opened) load(folder);
  }, [top, fresh]);
  return { folders, load, busy };
}

interface TreeProps {
  top: string;
  file: string | null;
  filter: string;
  fresh: number;
  address: (key: string) => string;
}

export function Tree({ top, file, filter, fresh, address }: TreeProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { folders, load, busy } = useFolders(top, [top, ...open], fresh);
  const rows = useMemo(() => new Rows(top, folders, open, filter), [top, folders, open, filter]);
  const toggle = (key: string, wanted = !open.has(key)) => {
    if (wanted === open.has(key)) return;
    const next = new Set(open);
    if (wanted) next.add(key);
    else next.delete(key);
    setOpen(next);
    if (wanted) load(key);
  };
  useEffect(() => {
    if (!file) return;
    const above = crumbs(folderOf(file)).map(([, key]) => key).filter((key) => key.length > top.length);
    if (above.every((key) => open.has(key))) return;
    setOpen(new Set([...open, ...above]));
    above.forEach((key) => load(key));
  }, [top, file, fresh]);
  const known = folders.get(top);
  const said = known?.error ?? (busy ? `${formatCount(rows.count)} so far…` : counted(rows.count, filter === "" ? top : ""));
  return (
    <>
      <Scrolled rows={rows} file={file} address={address} toggle={toggle} />
      <p class="listed" role="status">
        {said}
        {!busy && known?.next ? <button onClick={() => load(top, true)}>More</button> : null}
      </p>
    </>
  );
}

function counted(count: number, folder: string): string {
  if (count === 0 && folder) return `Nothing is stored under ${folder.slice(0, -1)}.`;
  return `${formatCount(count)} ${count === 1 ? "entry" : "entries"}`;
}

interface ScrolledProps {
  rows: Rows;
  file: string | null;
  address: (key: string) => string;
  toggle: (key: string, wanted?: boolean) => void;
}

function Scrolled({ rows, file, address, toggle }: ScrolledProps) {
  const box = useRef<HTMLDivElement>(null);
  const [place, look] = useState({ scroll: 0, shown: 600 });
  const [at, move] = useState(0);
  const wanted = useRef(false);
  const measure = () => box.current && look({ scroll: box.current.scrollTop, shown: box.current.clientHeight });
  useLayoutEffect(() => void measure(), []);
  useEffect(() => {
    const sizes = new ResizeObserver(measure);
    if (box.current) sizes.observe(box.current);
    return () => sizes.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (wanted.current) box.current?.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus();
    wanted.current = false;
  });
  const go = (next: number) => {
    const index = Math.max(0, Math.min(rows.count - 1, next));
    wanted.current = true;
    move(index);
    const { current } = box;
    if (!current) return;
    if (index * HEIGHT < current.scrollTop) current.scrollTop = index * HEIGHT;
    if ((index + 1) * HEIGHT > current.scrollTop + current.clientHeight) current.scrollTop = (index + 1) * HEIGHT - current.clientHeight;
    measure();
  };
  const onKey = (event: KeyboardEvent) => {
    const row = rows.at(at);
    const to = step(event.key, at, rows.count, Math.floor(place.shown / HEIGHT));
    if (event.ctrlKey || event.metaKey || event.altKey || !row) return;
    if (to !== null) go(to);
    else if (event.key === "ArrowRight" && row.isFolder) toggle(row.key, true);
    else if (event.key === "ArrowLeft" && row.isOpen) toggle(row.key, false);
    else if (event.key === "ArrowLeft" && row.depth) go(rows.find(folderOf(row.key)));
    else return;
    event.preventDefault();
  };
  const [from, until] = inView(rows.count, HEIGHT, place.scroll, place.shown);
  const current = Math.min(at, Math.max(0, rows.count - 1));
  const seen = rows.slice(from, until);
  return (
    <div class="tree" ref={box} onScroll={measure}>
      <div style={{ height: `${rows.count * HEIGHT}px` }}>
        <div role="tree" aria-label="Files" onKeyDown={onKey} style={{ transform: `translateY(${from * HEIGHT}px)` }}>
          {seen.map((row, index) => (
            <Item key={row.key} row={row} at={from + index} isCurrent={from + index === current} isShown={row.key === file} address={address} toggle={toggle} onFocus={() => move(from + index)} />
          ))}
        </div>
      </div>
    </div>
  );
}

/** Where a key leads from a row; null for other keys. */
function step(key: string, at: number, count: number, page: number): number | null {
  const ways: Record<string, number> = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: count - 1, PageDown: at + page, PageUp: at - page };
  return ways[key] ?? null;
}

interface ItemProps {
  row: Row;
  at: number;
  isCurrent: boolean;
  isShown: boolean;
  address: (key: string) => string;
  toggle: (key: string) => void;
  onFocus: () => void;
}

function Item({ row, at, isCurrent, isShown, address, toggle, onFocus }: ItemProps) {
  const open = (event: MouseEvent) => {
    if (!row.isFolder || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    toggle(row.key);
  };
  return (
    <a
      role="treeitem"
      data-at={at}
      href={address(row.key)}
      title={`${row.key}\n${moment(row.mtime)}`}
      tabIndex={isCurrent ? 0 : -1}
      aria-level={row.depth + 1}
      aria-posinset={row.place}
      aria-setsize={row.of}
      aria-expanded={row.isFolder ? row.isOpen : undefined}
      aria-selected={isShown}
      onClick={open}
      onFocus={onFocus}
      style={{ paddingLeft: `${10 + 16 * row.depth}px` }}
    >
      <span class={`sign ${row.isFolder ? "folder" : kindOf(row.key)}`} aria-hidden="true">
        {row.isFolder ? (row.isOpen ? "▾" : "▸") : SIGNS[kindOf(row.key)]}
      </span>
      <span class="filename">{row.name}</span>
      <span class="size">{row.isFolder ? "" : bytes(row.size)}</span>
      <span class="age">{age(row.mtime)}</span>
    </a>
  );
}

const SIGNS = { image: "▣", drawing: "▣", video: "▶", audio: "♪", json: "{}", markdown: "¶", diff: "±", text: "≡", array: "⊞", records: "⊟", unknown: "·" };
