/** The way of a pen along a line: to a canvas, or as the path of an SVG. Pure. */

import type { Floats } from "../types";

/** What a way is drawn with. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** From values to places: `offset + scale * value`, of the logarithm of the value where it `isLog`. */
export interface Axis {
  isLog: boolean;
  scale: number;
  offset: number;
}

/** The axis that puts `low` at `from` and `high` at `to`. */
export function axisOf([low, high]: [number, number], isLog: boolean, from: number, to: number): Axis {
  const first = isLog ? Math.log10(low) : low;
  const last = isLog ? Math.log10(high) : high;
  const scale = (to - from) / (last - first);
  return { isLog, scale, offset: from - first * scale };
}

export function placeOf(axis: Axis, value: number): number {
  return axis.offset + axis.scale * (axis.isLog ? Math.log10(value) : value);
}

export function valueAt(axis: Axis, place: number): number {
  const value = (place - axis.offset) / axis.scale;
  return axis.isLog ? Math.pow(10, value) : value;
}

/** Points that fall into one column of pixels become four at most: the first, the lowest, the highest, the last. */
export class Columns {
  private column = NaN;
  private low = 0;
  private high = 0;
  private last = 0;
  private x = 0;

  constructor(private readonly pen: Pen) {}

  point(x: number, y: number): void {
    const column = Math.floor(x);
    if (column === this.column) {
      if (y < this.low) this.low = y;
      if (y > this.high) this.high = y;
    } else {
      this.end();
      if (Number.isNaN(this.column)) this.pen.moveTo(x, y);
      this.pen.lineTo(x, y);
      this.column = column;
      this.low = this.high = y;
    }
    this.last = y;
    this.x = x;
  }

  /** The line is broken here. */
  lift(): void {
    this.end();
    this.column = NaN;
  }

  private end(): void {
    if (Number.isNaN(this.column) || this.low === this.high) return;
    this.pen.lineTo(this.x, this.low);
    this.pen.lineTo(this.x, this.high);
    this.pen.lineTo(this.x, this.last);
  }
}

/** Draw the points [from, to) of a line; it is broken where a place is no number. */
export function trace(pen: Pen, xs: Floats, ys: Floats, across: Axis, up: Axis, from = 0, to = xs.length): void {
  const columns = new Columns(pen);
  for (let at = from; at < to; at++) {
    const x = across.isLog ? Math.log10(xs[at] as number) : (xs[at] as number);
    const y = up.isLog ? Math.log10(ys[at] as number) : (ys[at] as number);
    const isPlace = x - x === 0 && y - y === 0; // neither NaN nor infinite, which log10 gives for what is not positive
    if (isPlace) columns.point(across.offset + across.scale * x, up.offset + up.scale * y);
    else columns.lift();
  }
  columns.lift();
}

/** What cannot be drawn at its place: it is marked at the edge. */
export type Odd = "nan" | "high" | "low";

export function oddOf(y: number, isLog: boolean): Odd | null {
  if (Number.isNaN(y)) return "nan";
  if (y === Infinity) return "high";
  if (y === -Infinity || (isLog && y <= 0)) return "low";
  return null;
}

/** The path of an SVG, to a tenth of a pixel. */
export class PathText implements Pen {
  private parts: string[] = [];

  moveTo(x: number, y: number): void {
    this.parts.push(`M${tenth(x)} ${tenth(y)}`);
  }

  lineTo(x: number, y: number): void {
    this.parts.push(`L${tenth(x)} ${tenth(y)}`);
  }

  toString(): string {
    return this.parts.join("");
  }
}

function tenth(value: number): string {
  return String(Math.round(value * 10) / 10);
}
