/** Which line, and which point of it, is next to a place on the plot. Pure. */

import { markPlace, type Layout } from "./draw";
import { drawnPart, sorted, type Area, type Curve, type Picture } from "./picture";
import { lowerBound } from "./ranges";
import { oddOf, placeOf, valueAt } from "./trace";

export interface Hit {
  item: Curve | Area;
  /** The number of the point. */
  at: number;
  /** Where it is, in pixels of the canvas. */
  x: number;
  y: number;
}

/** How far away a point may be, in pixels of the page. */
const REACH = 40;

/** The point next to a place; distance along y counts less the nearer x is, so that one can follow a steep line. */
export function nearest(picture: Picture, layout: Layout, x: number, y: number): Hit | null {
  let best: Hit | null = null;
  let least = REACH * layout.ratio;
  const look = (item: Curve | Area, at: number) => {
    const hit = placed(item, at, layout);
    const distance = Math.hypot(hit.x - x, hit.y - y);
    if (distance < least) [best, least] = [hit, distance];
  };
  for (const item of [...picture.curves, ...picture.areas]) {
    for (let [at, to] = candidates(item, layout, x); at < to; at++) look(item, at);
  }
  return best;
}

/** The points of a line that can be near a place. */
function candidates(item: Curve | Area, layout: Layout, x: number): [number, number] {
  const [from, to] = drawnPart(item.xs, layout.range);
  if (!sorted(item.xs)) return [from, to];
  const reach = REACH * layout.ratio;
  const low = lowerBound(item.xs, valueAt(layout.across, x - reach));
  const high = lowerBound(item.xs, valueAt(layout.across, x + reach)) + 1;
  return [Math.max(from, low), Math.min(to, high)];
}

/** Where a point is drawn, on the line that is drawn full. */
export function placed(item: Curve | Area, at: number, layout: Layout): Hit {
  const raw = ("mean" in item ? item.mean[at] : item.ys[at]) as number;
  const drawn = "mean" in item ? raw : ((item.smooth ?? item.ys)[at] as number);
  const odd = oddOf(raw, layout.up.isLog);
  return { item, at, x: placeOf(layout.across, item.xs[at] as number), y: odd ? markPlace(odd, layout) : placeOf(layout.up, drawn) };
}

/** The point of a line that is next to a value of x; null where it has none. */
export function pointAt(item: Curve | Area, value: number): number | null {
  if (item.xs.length === 0 || !sorted(item.xs)) return null;
  const after = lowerBound(item.xs, value);
  const before = Math.max(0, after - 1);
  if (after >= item.xs.length) return item.xs.length - 1;
  return value - (item.xs[before] as number) < (item.xs[after] as number) - value ? before : after;
}
