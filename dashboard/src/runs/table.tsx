/** The table of runs, which is the legend of the charts. Only what is in view is drawn; see geometry.ts and line.ts. */

import { effect, signal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { pointed, runs, selected } from "../state";
import { cursor, extendTo, focusTable, moveTo, open, runsOf, select, toggle } from "./act";
import type { Column, Scan } from "./columns";
import { columnsIn, offsets, reveal, ROW, rowsDrawn, rowsIn } from "./geometry";
import { Head, HEAD } from "./head";
import type { Layout } from "./line";
import { Lines, rowId } from "./lines";
import type { Row } from "./order";
import { columns, group, places, rows, scanned } from "./shown";
import { guessTable } from "./split";

const NAME_MIN = 230;
const GROUP_MIN = 300;
const NAME_MAX = 420;
/** Pixels by which names get wider with the table: not with each one, for all lines follow. */
const NAME_STEP = 8;

/** What is in view, kept without asking the page: it says when it scrolls, and when its size changes. */
class Port {
  top = 0;
  left = 0;
  /** A guess until the page says what it is: what is drawn before the page is laid out is laid out with it. */
  readonly size = signal(guessTable());
  readonly layout: Signal<Layout | null> = signal(null);
  private most = 0;
  private starts: readonly number[] = [0];
  private nameWidth = NAME_MIN;
  private common = "";

  /** The height of the rows that are seen. */
  get height(): number {
    return Math.max(0, this.size.value.height - HEAD);
  }

  /** How many lines are drawn: no fewer when the table gets lower, for the others need not change. */
  get lines(): number {
    this.most = Math.max(this.most, rowsDrawn(this.height));
    return this.most;
  }

  /** Take over the columns, and how much room names have. */
  arrange(shown: readonly Column[], { longestName, common }: Scan): void {
    const { width } = this.size.value;
    const least = group.value.length ? GROUP_MIN : NAME_MIN;
    const wanted = Math.max(least, Math.min(110 + 7.2 * longestName, NAME_MAX, 0.42 * width));
    this.nameWidth = Math.ceil(wanted / NAME_STEP) * NAME_STEP;
    this.common = common;
    this.starts = offsets(shown.map((column) => column.width));
    this.look(shown);
  }

  /** Choose the columns that are in view; the layout stays the same object when these do. */
  look(columns: readonly Column[]): void {
    const { starts, nameWidth, common } = this;
    const { start, end } = columnsIn(this.left, Math.max(0, this.size.peek().width - nameWidth), starts);
    const was = this.layout.peek();
    const more = (was?.shown.length ?? 0) - (end - start);
    const isSame = was?.columns === columns && was.first === start && (more === 0 || more === 1); // one too many does no harm
    if (isSame && was.nameWidth === nameWidth && was.common === common) return;
    const width = nameWidth + (starts.at(-1) ?? 0);
    this.layout.value = { columns, shown: columns.slice(start, end), first: start, left: starts[start] ?? 0, starts, nameWidth, common, width };
  }
}

export function RunTable() {
  const box = useRef<HTMLDivElement>(null);
  const names = useRef<HTMLDivElement>(null);
  const cells = useRef<HTMLDivElement>(null);
  const port = useMemo(() => new Port(), []);
  const lines = useRef<Lines | null>(null);
  const draw = () => {
    const layout = port.layout.value;
    if (layout) lines.current?.draw(rowsIn(port.top, port.height, rows.value.length), port.lines, layout);
  };
  useLayoutEffect(() => {
    lines.current = new Lines(names.current as HTMLElement, cells.current as HTMLElement);
    const ends = [
      follow(box.current as HTMLElement, port),
      effect(() => port.arrange(columns.value, scanned.value)),
      effect(() => {
        void runs.value; // values change while rows stay
        draw();
      }),
    ];
    return () => ends.forEach((end) => end());
  }, []);
  useReveal(box, port);
  const layout = port.layout.value;
  return (
    <div
      ref={box}
      class="runs-table"
      onScroll={(event) => {
        port.top = event.currentTarget.scrollTop;
        port.left = event.currentTarget.scrollLeft;
        port.look(columns.peek());
        draw();
      }}
    >
      <Grid active={activeId(port)} />
      {layout && <Head layout={layout} />}
      <div
        class="body"
        style={{ height: `${rows.value.length * ROW}px`, width: `${layout?.width ?? 0}px` }}
        onClick={click}
        onPointerOver={(event) => (pointed.value = runAt(event.target))}
        onPointerLeave={() => (pointed.value = null)}
      >
        <div ref={names} id="runs-names" class="names" role="rowgroup" style={{ width: `${layout?.nameWidth ?? 0}px` }} />
        <div ref={cells} class="cells" style={{ left: `${layout?.nameWidth ?? 0}px` }} />
      </div>
    </div>
  );
}

/** What the keyboard and assistive programs know as the table: it owns the rows, and they own the cells, which stand apart. */
function Grid({ active }: { active: string | undefined }) {
  return (
    <div
      class="grid"
      role={group.value.length ? "treegrid" : "grid"}
      tabIndex={0}
      aria-label="Runs"
      aria-owns="runs-head runs-names"
      aria-rowcount={rows.value.length + 1}
      aria-colcount={columns.value.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={active}
    />
  );
}

function activeId(port: Port): string | undefined {
  const at = cursor.value === null ? undefined : places.value.get(cursor.value);
  return at === undefined ? undefined : rowId(at, Math.min(port.lines, rows.value.length));
}

/** Follow the size of the box; it is told when the page is laid out, and asking for it sooner would do that twice. */
function follow(box: HTMLElement, port: Port): () => void {
  const observer = new ResizeObserver(([entry]) => {
    if (entry) port.size.value = { width: entry.contentRect.width, height: entry.contentRect.height };
  });
  observer.observe(box);
  return () => observer.disconnect();
}

/** Scroll where the keyboard goes. */
function useReveal(box: { current: HTMLDivElement | null }, port: Port): void {
  const key = cursor.value;
  useEffect(() => {
    const at = key === null ? undefined : places.value.get(key);
    if (at === undefined || !box.current) return;
    const top = reveal(port.top, port.height, at * ROW, (at + 1) * ROW);
    if (top !== port.top) box.current.scrollTop = top;
  }, [key]);
}

function indexAt(target: EventTarget | null): number | null {
  const index = (target as Element | null)?.closest<HTMLElement>("[data-index]")?.dataset["index"];
  return index === undefined ? null : Number(index);
}

function runAt(target: EventTarget | null): string | null {
  const index = indexAt(target);
  return index === null ? null : (rows.peek()[index]?.run ?? null);
}

function click(event: MouseEvent): void {
  const index = indexAt(event.target);
  const row = index === null ? undefined : rows.peek()[index];
  const target = event.target as HTMLElement;
  if (!row || index === null) return;
  const act = target.dataset["act"];
  if (act === "pin" || act === "hide") toggle(act, runsOf(row));
  else if (target instanceof HTMLInputElement) check(target, row, event.shiftKey);
  else if (row.group) open(row);
  else if (target.closest("a")) return;
  else if (event.shiftKey) extendTo(row.key, cursor.peek() ?? row.key);
  else if (event.ctrlKey || event.metaKey) select(row, false);
  if (!(target instanceof HTMLInputElement)) moveTo(index);
  focusTable();
}

/** Select by a checkbox, which shows what is so, whatever the browser has made of the click. */
function check(box: HTMLInputElement, row: Row, isRange: boolean): void {
  select(row, isRange);
  box.checked = runsOf(row).every((name) => selected.peek().has(name));
}
