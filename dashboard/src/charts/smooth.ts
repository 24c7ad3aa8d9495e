/** An exponential moving average that begins without a bias, of what is in view. Pure. */

import type { Floats } from "../types";

/**
 * Smooth a line. `weight` from 0 to 1 is what a point keeps of the ones before it, at the mean distance between points;
 * over a longer way less is kept, so that a line that was thinned out is smoothed as far as the whole one.
 */
export function smoothed(xs: Floats, ys: Floats, weight: number): Float64Array {
  const result = new Float64Array(ys.length);
  const mean = meanStep(xs);
  let sum = 0;
  let total = 0;
  let before = NaN;
  for (let at = 0; at < ys.length; at++) {
    const y = ys[at] as number;
    if (!Number.isFinite(y)) {
      result[at] = y;
      continue;
    }
    const keep = kept(weight, ((xs[at] as number) - before) / mean);
    sum = sum * keep + y * (1 - weight);
    total = total * keep + (1 - weight);
    result[at] = sum / total;
    before = xs[at] as number;
  }
  return result;
}

function kept(weight: number, steps: number): number {
  return Number.isFinite(steps) && steps > 0 ? Math.pow(weight, steps) : weight;
}

function meanStep(xs: Floats): number {
  const way = (xs[xs.length - 1] ?? 0) - (xs[0] ?? 0);
  return way > 0 ? way / Math.max(1, xs.length - 1) : NaN;
}
