/** A band that goes on: rows that have come since the server worked it out, in bins as wide as its own. Pure. */

import type { Band, Floats } from "../types";

interface Sum {
  sum: number;
  count: number;
}

interface Bin {
  runs: Map<string, Sum>;
  sumX: number;
  points: number;
  min: number;
  max: number;
}

interface Point {
  run: string;
  x: number;
  y: number;
}

/** Bins behind the end, and points, that are kept: before there are more the band is asked for again. */
const MOST_BINS = 100;
const MOST_POINTS = 20_000;

export class Tail {
  private readonly width: number;
  private readonly end: number;
  private readonly bins: Bin[] = [];
  private points: Point[] = [];
  private made: Band | null = null;

  constructor(private readonly band: Band) {
    const { xs, n } = band;
    this.width = n > 1 ? ((xs[n - 1] as number) - (xs[0] as number)) / (n - 1) : 0;
    this.end = n > 0 ? (xs[n - 1] as number) + this.width / 2 : -Infinity;
  }

  /** Take in new rows of a run, up to an end. */
  add(run: string, xs: Floats, ys: Floats, to: number | null): void {
    for (let at = 0; at < xs.length; at++) this.take({ run, x: xs[at] as number, y: ys[at] as number }, to);
    this.made = null;
  }

  /** Take over what an older band of the same has, as far as it is not in this one. */
  goOnFrom(older: Tail, to: number | null): void {
    for (const point of older.points) if (point.x > this.end) this.take(point, to);
  }

  private take(point: Point, to: number | null): void {
    const { run, x, y } = point;
    if (!(this.width > 0) || !Number.isFinite(y) || (to !== null && x > to)) return;
    const at = Math.floor((x - this.end) / this.width);
    if (at < 0) return this.stretch(x, y);
    if (at >= MOST_BINS || this.points.length >= MOST_POINTS) return;
    this.points.push(point);
    const bin = (this.bins[at] ??= { runs: new Map(), sumX: 0, points: 0, min: Infinity, max: -Infinity });
    const mine = bin.runs.get(run) ?? { sum: 0, count: 0 };
    bin.runs.set(run, { sum: mine.sum + y, count: mine.count + 1 });
    bin.sumX += x;
    bin.points++;
    bin.min = Math.min(bin.min, y);
    bin.max = Math.max(bin.max, y);
  }

  /** What sticks out of the last bin is seen at once; its mean waits for the server. */
  private stretch(x: number, y: number): void {
    const { n, xs, min, max } = this.band;
    if (n === 0 || x < (xs[n - 1] as number) - this.width / 2) return;
    min[n - 1] = Math.min(min[n - 1] as number, y);
    max[n - 1] = Math.max(max[n - 1] as number, y);
  }

  /** The band as the server gave it. */
  withoutNews(): Tail {
    return new Tail(this.band);
  }

  /** The band with what has come. */
  whole(): Band {
    return (this.made ??= this.bins.length === 0 ? this.band : this.extended());
  }

  private extended(): Band {
    const { band } = this;
    const told = this.bins.filter(Boolean).map(binOf);
    const longer = (old: Float64Array, name: keyof Told) => Float64Array.from([...old, ...told.map((bin) => bin[name])]);
    return {
      ...band,
      n: band.n + told.length,
      xs: longer(band.xs, "x"),
      mean: longer(band.mean, "mean"),
      low: longer(band.low, "low"),
      high: longer(band.high, "high"),
      min: longer(band.min, "min"),
      max: longer(band.max, "max"),
    };
  }
}

type Told = Record<"x" | "mean" | "low" | "high" | "min" | "max", number>;

/** Mean of the runs and their standard deviation, as the server gives them. */
function binOf({ runs, sumX, points, min, max }: Bin): Told {
  const means = [...runs.values()].map(({ sum, count }) => sum / count);
  const mean = means.reduce((sum, one) => sum + one, 0) / means.length;
  const squares = means.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const away = Math.sqrt(squares / Math.max(1, means.length - 1));
  return { x: sumX / points, mean, low: mean - away, high: mean + away, min, max };
}
