/** Two parts with a bar between them, which the mouse and the arrow keys move; how it was left is kept. */

import { computed, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const KEPT = "ml-logger-split";
const LEAST = 15;
const MOST = 85;
const STEP = 3;
const NARROW = matchMedia("(max-width: 820px)");

/** How much the table has, in percent; what is seen: both parts, or one. */
interface Kept {
  share: number;
  parts: Parts;
}

export type Parts = "both" | "table" | "charts";

function read(): Kept {
  const [share, parts] = (localStorage.getItem(KEPT) ?? "").split(" ");
  const isParts = parts === "table" || parts === "charts";
  return { share: bound(Number(share) || 46), parts: isParts ? parts : "both" };
}

function bound(share: number): number {
  return Math.round(Math.min(Math.max(share, LEAST), MOST) * 10) / 10;
}

const kept = signal<Kept>(read());
/** Whether the charts are seen beside the table, or alone. */
export const areChartsSeen = computed(() => kept.value.parts !== "table");
/** Whether the parts stand one above the other: the window is narrow. */
const isNarrow = signal(NARROW.matches);
NARROW.addEventListener("change", () => (isNarrow.value = NARROW.matches));

/** Pixels of the page above both parts, at least. */
const ABOVE = 80;

/** How large the table will be, about, before the page is laid out. */
export function guessTable(): { width: number; height: number } {
  const { share, parts } = kept.peek();
  const width = parts === "both" && !isNarrow.peek() ? (innerWidth * share) / 100 : innerWidth;
  return { width: Math.round(width), height: innerHeight - ABOVE };
}

function keep(change: Partial<Kept>): void {
  kept.value = { ...kept.value, ...change };
  localStorage.setItem(KEPT, `${kept.value.share} ${kept.value.parts}`);
}

const CHOICES: [Parts, string][] = [["table", "Table"], ["both", "Both"], ["charts", "Charts"]];

/** The choice of what is seen. */
export function PartsChoice() {
  return (
    <div class="parts" role="group" aria-label="What is seen">
      {CHOICES.map(([parts, label]) => (
        <button key={parts} aria-pressed={kept.value.parts === parts} onClick={() => keep({ parts })}>
          {label}
        </button>
      ))}
    </div>
  );
}

export function Split({ table, charts }: { table: ComponentChildren; charts: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const { share, parts } = kept.value;
  return (
    <div ref={box} class={`split ${parts} ${isNarrow.value ? "stacked" : "beside"}`} style={{ "--share": `${share}%` }}>
      {parts !== "charts" && <div class="part first">{table}</div>}
      {parts === "both" && <Bar box={box} />}
      {parts !== "table" && <div class="part second">{charts}</div>}
    </div>
  );
}

function Bar({ box }: { box: { current: HTMLDivElement | null } }) {
  const bar = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => dragging(bar.current as HTMLElement, box.current as HTMLElement), []);
  const key = (event: KeyboardEvent) => {
    const { share } = kept.value;
    const next = { ArrowLeft: share - STEP, ArrowUp: share - STEP, ArrowRight: share + STEP, ArrowDown: share + STEP, Home: LEAST, End: MOST }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    keep({ share: bound(next) });
  };
  return (
    <div
      ref={bar}
      class="bar-between"
      role="separator"
      tabIndex={0}
      aria-label="The size of the table"
      aria-orientation={isNarrow.value ? "horizontal" : "vertical"}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      aria-valuenow={kept.value.share}
      onKeyDown={key}
    />
  );
}

/** Move the bar with the pointer; the place of the parts is asked for once, when it begins. */
function dragging(bar: HTMLElement, box: HTMLElement): () => void {
  let place: DOMRect | null = null;
  const down = (event: PointerEvent) => {
    place = box.getBoundingClientRect();
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const move = (event: PointerEvent) => {
    if (!place) return;
    const part = isNarrow.peek() ? (event.clientY - place.top) / place.height : (event.clientX - place.left) / place.width;
    kept.value = { ...kept.value, share: bound(100 * part) };
  };
  const up = () => {
    if (place) keep({});
    place = null;
  };
  const events: [string, (event: PointerEvent) => void][] = [["pointerdown", down], ["pointermove", move], ["pointerup", up], ["pointercancel", up]];
  for (const [name, act] of events) bar.addEventListener(name, act as EventListener);
  return () => {
    for (const [name, act] of events) bar.removeEventListener(name, act as EventListener);
  };
}
