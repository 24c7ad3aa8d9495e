/** Ranges of axes: of data, and as somebody zooms and pans. Pure. */

import type { Floats } from "../types";

export type Range = [number, number];

/** The finite values of some numbers; with `positive`, of those above zero, which a logarithmic axis has. */
export class Extent {
  low = Infinity;
  high = -Infinity;

  constructor(readonly positive: boolean) {}

  take(value: number): void {
    if (!(value > (this.positive ? 0 : -Infinity)) || value === Infinity) return;
    if (value < this.low) this.low = value;
    if (value > this.high) this.high = value;
  }

  takeAll(values: Floats, from = 0, to = values.length): void {
    for (let at = from; at < to; at++) this.take(values[at] as number);
  }

  get range(): Range | null {
    return this.low <= this.high ? [this.low, this.high] : null;
  }
}

/** Whether numbers never fall; what is no number breaks no order. */
export function isSorted(xs: Floats): boolean {
  for (let at = 1; at < xs.length; at++) if ((xs[at] as number) < (xs[at - 1] as number)) return false;
  return true;
}

/** The first place in sorted numbers that is not less than a value. */
export function lowerBound(xs: Floats, value: number): number {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((xs[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The places [from, to) of sorted numbers that are in a range, and one more at each side. */
export function within(xs: Floats, [from, to]: Range): Range {
  const first = lowerBound(xs, from);
  let last = lowerBound(xs, to);
  while (last < xs.length && xs[last] === to) last++;
  return [Math.max(0, first - 1), Math.min(xs.length, last + 1)];
}

/** A range that can be drawn: never empty, and with some room at each end. */
export function padded(range: Range | null, isLog: boolean, room: number): Range {
  if (!range) return isLog ? [0.1, 10] : [0, 1];
  const [low, high] = range;
  if (isLog) {
    const factor = low === high ? 2 : Math.pow(high / low, room);
    return [low / factor, high * factor];
  }
  const extra = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * room;
  return [low - extra, high + extra];
}

const into = (value: number, isLog: boolean) => (isLog ? Math.log10(value) : value);
const outOf = (value: number, isLog: boolean) => (isLog ? Math.pow(10, value) : value);

/** A range that is `factor` times as wide, with one place of it kept where it is: 0 the left end, 1 the right. */
export function zoomed([low, high]: Range, factor: number, place: number, isLog: boolean): Range {
  const from = into(low, isLog);
  const to = into(high, isLog);
  const fixed = from + (to - from) * place;
  return checked([outOf(fixed - (fixed - from) * factor, isLog), outOf(fixed + (to - fixed) * factor, isLog)], [low, high]);
}

/** A range moved by a part of its width. */
export function moved([low, high]: Range, part: number, isLog: boolean): Range {
  const from = into(low, isLog);
  const to = into(high, isLog);
  const way = (to - from) * part;
  return checked([outOf(from + way, isLog), outOf(to + way, isLog)], [low, high]);
}

function checked(next: Range, before: Range): Range {
  const [low, high] = next;
  const tooSmall = high - low <= Math.max(Math.abs(low), Math.abs(high)) * 1e-13;
  return Number.isFinite(low) && Number.isFinite(high) && !tooSmall && low < high ? next : before;
}
