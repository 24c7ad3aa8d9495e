/** Which rows and columns are in view, from numbers alone: nothing here asks the page how things lie. Pure. */

export const ROW = 30;
/** Rows drawn beyond the edge, and the step in which the window moves: few redraws, few rows. */
const MARGIN = 6;
const STEP = 4;
/** Pixels of columns drawn beyond the edge. */
const SIDE = 160;

/** A part of the rows or columns: from `start`, before `end`. */
export interface Span {
  start: number;
  end: number;
}

/** How many rows are drawn in a window of that height: always so many, that each that leaves makes room for one. */
export function rowsDrawn(height: number): number {
  return Math.ceil(height / ROW) + 2 * MARGIN + STEP;
}

/** The rows to draw when so many pixels are above the window; of fewer rows than that, the last. */
export function rowsIn(top: number, height: number, count: number): Span {
  const above = Math.min(top, Math.max(0, count * ROW - height));
  const start = Math.floor(Math.max(0, above / ROW - MARGIN) / STEP) * STEP;
  return { start, end: Math.min(start + rowsDrawn(height), count) };
}

/** Where each column begins, and where the last one ends. */
export function offsets(widths: readonly number[]): number[] {
  const found = [0];
  for (const width of widths) found.push((found.at(-1) ?? 0) + width);
  return found;
}

/** The columns to draw: those that are in view, and a few beyond. */
export function columnsIn(left: number, width: number, starts: readonly number[]): Span {
  const count = starts.length - 1;
  const start = Math.max(0, after(starts, left - SIDE) - 1);
  return { start: Math.min(start, count), end: Math.min(after(starts, left + width + SIDE), count) };
}

/** The index of the first number that is greater. */
function after(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How far to scroll, so that a part from `start` to `end` is in view; the same number when it is. */
export function reveal(scroll: number, extent: number, start: number, end: number): number {
  if (start < scroll) return start;
  return end > scroll + extent ? Math.max(0, end - extent) : scroll;
}
