/** Draws a picture onto a canvas: bands below, then the raw lines pale, the lines, and marks at the edge. */

import type { Floats } from "../types";
import { drawnPart, type Area, type Curve, type Picture } from "./picture";
import type { Range } from "./ranges";
import { oddOf, placeOf, trace, type Axis, type Odd } from "./trace";

/** Where values are on the canvas, in its own pixels. */
export interface Layout {
  left: number;
  top: number;
  width: number;
  height: number;
  /** Pixels of the canvas in one of the page. */
  ratio: number;
  range: Range;
  across: Axis;
  up: Axis;
}

/** Above so many lines each is thin, and none is dashed: what tells them apart then is pointing. */
const MANY = 20;
/** The pixels of the page between a mark and the edge. */
const EDGE = 7;

export function paint(ctx: CanvasRenderingContext2D, picture: Picture, layout: Layout): void {
  begin(ctx, layout);
  for (const area of picture.areas) fillArea(ctx, area, layout);
  const isMany = picture.curves.length > MANY;
  for (const curve of picture.curves) if (curve.smooth) stroke(ctx, curve, curve.ys, layout, { width: 1, alpha: 0.28, isPlain: true });
  for (const curve of picture.curves) stroke(ctx, curve, curve.smooth ?? curve.ys, layout, { width: isMany ? 1 : 1.6, alpha: 1, isPlain: isMany });
  for (const area of picture.areas) stroke(ctx, area, area.mean, layout, { width: 1.8, alpha: 1, isPlain: false });
  for (const curve of picture.curves) marks(ctx, curve, layout);
  for (const area of picture.areas) marks(ctx, { color: area.color, xs: area.oddXs, ys: area.oddYs }, layout);
  ctx.restore();
}

/** Draw one line again, strong: the one that is pointed at. */
export function paintStrong(ctx: CanvasRenderingContext2D, item: Curve | Area, layout: Layout): void {
  begin(ctx, layout);
  const ys = "mean" in item ? item.mean : (item.smooth ?? item.ys);
  stroke(ctx, item, ys, layout, { width: 3, alpha: 1, isPlain: false });
  ctx.restore();
}

/** Draw inside of the plot only, until the context is restored. */
function begin(ctx: CanvasRenderingContext2D, layout: Layout): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(layout.left, layout.top, layout.width, layout.height);
  ctx.clip();
  ctx.lineJoin = "bevel";
  ctx.lineCap = "round";
}

interface Stroke {
  width: number;
  alpha: number;
  isPlain: boolean;
}

type Drawn = Pick<Curve, "color" | "dash" | "xs">;

function stroke(ctx: CanvasRenderingContext2D, { color, dash, xs }: Drawn, ys: Floats, layout: Layout, how: Stroke): void {
  const { ratio, across, up, range } = layout;
  const path = new Path2D();
  trace(path, xs, ys, across, up, ...drawnPart(xs, range));
  ctx.globalAlpha = how.alpha;
  ctx.strokeStyle = color;
  ctx.lineWidth = 1;
  ctx.setLineDash(how.isPlain ? [] : dash.map((part) => part * ratio));
  for (const [x, y] of hairlines(how.width * ratio)) {
    ctx.translate(x, y);
    ctx.stroke(path);
    ctx.translate(-x, -y);
  }
}

/**
 * Where lines of one pixel are put to look like one of a width. Without a GPU a browser draws those thirty times as fast
 * as a thicker one, of which a thousand pieces take a frame.
 */
function hairlines(width: number): [number, number][] {
  const radius = (width - 1) / 2;
  if (radius < 0.1) return [[0, 0]];
  if (radius < 0.5) return [[-radius, -radius], [radius, radius]];
  const around: [number, number][] = [[-radius, 0], [radius, 0], [0, -radius], [0, radius]];
  return radius < 1 ? around : [[0, 0], ...around];
}

function fillArea(ctx: CanvasRenderingContext2D, area: Area, layout: Layout): void {
  ctx.fillStyle = area.color;
  for (const [low, high, alpha] of [
    [area.min, area.max, 0.09],
    [area.low, area.high, 0.2],
  ] as const) {
    ctx.globalAlpha = alpha;
    ctx.beginPath();
    outline(ctx, area.xs, low, high, layout);
    ctx.fill();
  }
}

/** There along the upper side, back along the lower one. */
export function outline(pen: { moveTo(x: number, y: number): void; lineTo(x: number, y: number): void }, xs: Floats, low: Floats, high: Floats, layout: Layout): void {
  const { across, up, range, top, height } = layout;
  const [from, to] = drawnPart(xs, range);
  let isFirst = true;
  const point = (at: number, y: number) => {
    const x = placeOf(across, xs[at] as number);
    if (Number.isNaN(x) || Number.isNaN(y)) return;
    const place = Number.isFinite(placeOf(up, y)) ? placeOf(up, y) : top + height; // not positive, on a logarithmic axis
    if (isFirst) pen.moveTo(x, place);
    else pen.lineTo(x, place);
    isFirst = false;
  };
  for (let at = from; at < to; at++) point(at, high[at] as number);
  for (let at = to - 1; at >= from; at--) point(at, low[at] as number);
}

/** Where the mark of a value that has no place stands: NaN and what is too low at the lower edge, +inf at the upper one. */
export function markPlace(odd: Odd, layout: Layout): number {
  const edge = EDGE * layout.ratio;
  return odd === "high" ? layout.top + edge : layout.top + layout.height - edge;
}

function marks(ctx: CanvasRenderingContext2D, { color, xs, ys }: Pick<Curve, "color" | "xs" | "ys">, layout: Layout): void {
  const [from, to] = drawnPart(xs, layout.range);
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = 1.5 * layout.ratio;
  for (let at = from; at < to; at++) {
    const odd = oddOf(ys[at] as number, layout.up.isLog);
    if (odd) mark(ctx, odd, placeOf(layout.across, xs[at] as number), markPlace(odd, layout), 3.5 * layout.ratio);
  }
}

/** A cross is NaN, a triangle points where the value is. */
function mark(ctx: CanvasRenderingContext2D, odd: Odd, x: number, y: number, size: number): void {
  ctx.beginPath();
  if (odd === "nan") {
    ctx.moveTo(x - size, y - size);
    ctx.lineTo(x + size, y + size);
    ctx.moveTo(x - size, y + size);
    ctx.lineTo(x + size, y - size);
    ctx.stroke();
    return;
  }
  const tip = odd === "high" ? -size : size;
  ctx.moveTo(x, y + tip);
  ctx.lineTo(x - size, y - tip);
  ctx.lineTo(x + size, y - tip);
  ctx.closePath();
  ctx.fill();
}
