/** A line that grows: rows are appended, and thinned out when there are too many. Pure. */

import type { Floats, Line } from "../types";
import { isSorted } from "./ranges";

/** The points of a line in memory that has room for more. */
export class Series {
  /** How many rows the file had when this was so. */
  rows: number;
  /** Whether points were left out. */
  sampled: boolean;
  /** Whether the run has no such metric, or not over this x. */
  readonly isMissing: boolean;
  private size: number;
  private x: Float64Array;
  private y: Floats;

  constructor(line: Line) {
    this.rows = line.rows ?? 0; // none where the run, or the key, is not there
    this.sampled = line.sampled ?? false;
    this.isMissing = line.missing ?? false;
    this.size = line.n;
    this.x = line.xs;
    this.y = line.ys;
  }

  get xs(): Float64Array {
    return this.x.subarray(0, this.size);
  }

  get ys(): Floats {
    return this.y.subarray(0, this.size);
  }

  get bytes(): number {
    return this.x.byteLength + this.y.byteLength;
  }

  /** Append the points that are in a range; with more than `limit` of them, thin them out to the half of that. */
  append(xs: Floats, ys: Floats, from: number | null, to: number | null, limit: number): void {
    this.reserve(this.size + xs.length);
    for (let at = 0; at < xs.length; at++) {
      const x = xs[at] as number;
      if ((from !== null && x < from) || (to !== null && x > to)) continue;
      this.x[this.size] = x;
      this.y[this.size++] = ys[at] as number;
    }
    if (this.size > limit) this.thin(limit >> 1);
  }

  private reserve(size: number): void {
    if (size <= this.x.length) return;
    const room = Math.max(64, 2 * size);
    const x = new Float64Array(room);
    x.set(this.xs);
    const y = this.y instanceof Float32Array ? new Float32Array(room) : new Float64Array(room);
    y.set(this.ys);
    this.x = x;
    this.y = y;
  }

  private thin(points: number): void {
    const kept = thinned(this.xs, this.ys, points);
    kept.forEach((from, to) => {
      this.x[to] = this.x[from] as number;
      this.y[to] = this.y[from] as number;
    });
    this.size = kept.length;
    this.sampled = true;
  }
}

/**
 * The places that stay when a line is thinned out to about `points`: of each stretch of x the least and the greatest,
 * one NaN and the infinities where there are some, and the first and the last of all.
 */
export function thinned(xs: Floats, ys: Floats, points: number): number[] {
  const n = xs.length;
  if (n <= points) return Array.from({ length: n }, (_, at) => at);
  const kept = new Set([0, n - 1]);
  const first = xs[0] as number;
  const way = (xs[n - 1] as number) - first;
  const buckets = Math.max(1, points >> 1);
  const bucketOf = way > 0 && isSorted(xs) ? (at: number) => (((xs[at] as number) - first) / way) * buckets : (at: number) => (at / n) * buckets;
  for (let at = 0; at < n; ) {
    const bucket = Math.floor(bucketOf(at));
    let end = at + 1;
    while (end < n && Math.floor(bucketOf(end)) === bucket) end++;
    extremes(ys, at, end).forEach((place) => kept.add(place));
    at = end;
  }
  return [...kept].sort((a, b) => a - b);
}

function extremes(ys: Floats, from: number, to: number): number[] {
  let low = -1;
  let high = -1;
  const odd = new Map<number, number>(); // NaN and the infinities: they stay beside the extremes of what is finite
  for (let at = from; at < to; at++) {
    const y = ys[at] as number;
    if (y - y !== 0) odd.set(y, at);
    else if (low < 0) low = high = at;
    else if (y < (ys[low] as number)) low = at;
    else if (y > (ys[high] as number)) high = at;
  }
  return low < 0 ? [...odd.values()] : [low, high, ...odd.values()];
}
