/** What a plot shows, ready to be drawn. Pure. */

import type { Band, Floats } from "../types";
import { Extent, isSorted, within, type Range } from "./ranges";

/** One line. */
export interface Curve {
  run: string;
  key: string;
  /** What it is called where it stands among others. */
  label: string;
  color: string;
  dash: number[];
  xs: Floats;
  ys: Floats;
  /** The line that is drawn full, where it is not the values themselves: they are drawn pale. */
  smooth: Float64Array | null;
}

/** Many runs in one: a mean, with a band around it. */
export interface Area extends Omit<Band, "x" | "n" | "odd"> {
  label: string;
  color: string;
  dash: number[];
}

export interface Picture {
  curves: Curve[];
  areas: Area[];
}

export const NOTHING: Picture = { curves: [], areas: [] };

const order = new WeakMap<ArrayBufferLike, { length: number; sorted: boolean }>();

/** Whether the x of a line never falls; kept with its memory, for it is asked in each frame. */
export function sorted(xs: Floats): boolean {
  const known = order.get(xs.buffer);
  if (known && known.length === xs.length) return known.sorted;
  const isIt = isSorted(xs);
  order.set(xs.buffer, { length: xs.length, sorted: isIt });
  return isIt;
}

/** The places of a line that are drawn in a range. */
export function drawnPart(xs: Floats, range: Range): Range {
  return sorted(xs) ? within(xs, range) : [0, xs.length];
}

export function rangeOfX(picture: Picture, isLog: boolean): Range | null {
  const extent = new Extent(isLog);
  for (const { xs } of [...picture.curves, ...picture.areas]) {
    if (!isLog && sorted(xs)) {
      extent.take(xs[0] as number);
      extent.take(xs[xs.length - 1] as number);
    } else extent.takeAll(xs);
  }
  return extent.range;
}

/** The range of the values that are within a range of x: nothing that is there falls outside of it. */
export function rangeOfY(picture: Picture, isLog: boolean, across: Range): Range | null {
  const extent = new Extent(isLog);
  for (const { xs, ys } of picture.curves) {
    if (sorted(xs)) extent.takeAll(ys, ...inside(xs, across));
    else takeInside(extent, xs, ys, across);
  }
  for (const { xs, min, max } of picture.areas) {
    extent.takeAll(min, ...inside(xs, across));
    extent.takeAll(max, ...inside(xs, across));
  }
  return extent.range;
}

/** The places within a range, without the neighbors at its sides, unless there is nothing else. */
function inside(xs: Floats, across: Range): Range {
  let [from, to] = within(xs, across);
  const whole: Range = [from, to];
  if (from < to && (xs[from] as number) < across[0]) from++;
  if (to > from && (xs[to - 1] as number) > across[1]) to--;
  return from < to ? [from, to] : whole;
}

function takeInside(extent: Extent, xs: Floats, ys: Floats, [low, high]: Range): void {
  for (let at = 0; at < xs.length; at++) {
    const x = xs[at] as number;
    if (x >= low && x <= high) extent.take(ys[at] as number);
  }
}
