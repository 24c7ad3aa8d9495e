/** From what a chart is to show, to questions; and from what came, to a picture. */

import { styleOf, type Style } from "../state";
import type { Band, BandQuestion, LineQuestion } from "../types";
import type { Want } from "./data";
import { NOTHING, type Area, type Curve, type Picture } from "./picture";
import type { Range } from "./ranges";
import { smoothed } from "./smooth";
import type { Series } from "./thin";

/** What a chart shows. Only the keys must be given. */
export interface ChartSpec {
  keys: string[];
  /** The runs; those that are drawn in the table where there are none. */
  runs?: string[];
  /** A column: `_step`, `_timestamp`, `_relative`, the key of a metric, or "" for the number of the row. */
  x?: string;
  title?: string;
  /** From 0, not at all, to 1. */
  smooth?: number;
  logX?: boolean;
  logY?: boolean;
  /** Each run as a line, or the mean of all with a band; by itself a band above ten runs. */
  mode?: "auto" | "lines" | "bands";
  /** Names of groups with their runs: each is one band. */
  groups?: ReadonlyMap<string, readonly string[]>;
}

/** Where what was asked for comes from. */
export interface Source {
  series(question: LineQuestion, points: number): Series | null;
  band(question: BandQuestion, points: number): Band | null;
}

/** Above so many runs a band tells more than the lines. */
export const MANY_RUNS = 10;
const BINS = 200;
/** The points of all lines of a chart, and of one of them. */
const CHART_POINTS = 12_000;
const MOST_POINTS = 1000;
const LEAST_POINTS = 100;

export function titleOf({ title, keys }: ChartSpec): string {
  return title ?? keys.join(", ");
}

/** Whether runs are drawn as bands. */
export function isBanded({ mode = "auto", groups, keys }: ChartSpec, runs: readonly string[]): boolean {
  if (mode !== "auto") return mode === "bands";
  return keys.length > 0 && (runs.length > MANY_RUNS || (groups !== undefined && groups.size > 0 && runs.length > groups.size));
}

/** Keeps what was drawn until what is asked for is there. */
export class Composer {
  range: Range | null = null;
  /** Whether the last change was only one of range. */
  hasZoomed = false;
  private spec: ChartSpec = { keys: [] };
  private runs: readonly string[] = [];
  private said = "";
  private lines: LineQuestion[] = [];
  private bands: BandQuestion[] = [];
  private points = MOST_POINTS;
  private before = new Map<string, Series>();
  private bandsBefore = new Map<string, Area>();

  /** Whether anything has changed. */
  set(spec: ChartSpec, runs: readonly string[], range: Range | null): boolean {
    const base = JSON.stringify([{ ...spec, groups: [...(spec.groups ?? [])] }, runs]);
    const isSame = base === this.said;
    const isSameRange = range?.[0] === this.range?.[0] && range?.[1] === this.range?.[1];
    this.hasZoomed = isSame && !isSameRange;
    Object.assign(this, { spec, runs, range, said: base });
    if (isSame && isSameRange) return false;
    this.pose();
    return true;
  }

  want(): Want {
    return { lines: this.lines, bands: this.bands, points: this.points };
  }

  private pose(): void {
    const { keys, x = "_step", groups } = this.spec;
    const part = { x, from: this.range?.[0] ?? null, to: this.range?.[1] ?? null };
    this.lines = [];
    this.bands = [];
    if (isBanded(this.spec, this.runs)) {
      const all = groups && groups.size > 0 ? groups : new Map([["all", this.runs]]);
      for (const key of keys) for (const [name, runs] of all) this.bands.push({ name, runs: [...runs], key, ...part, bins: BINS });
      return;
    }
    for (const key of keys) for (const run of this.runs) this.lines.push({ run, key, ...part });
    const fair = CHART_POINTS / Math.max(1, this.lines.length);
    this.points = Math.round(Math.min(MOST_POINTS, Math.max(LEAST_POINTS, fair)) / 100) * 100;
  }

  picture(source: Source): Picture {
    if (this.lines.length + this.bands.length === 0) return NOTHING;
    const curves = this.lines.map((question) => this.curve(question, source)).filter((curve) => curve !== null);
    const areas = this.bands.map((question) => this.area(question, source)).filter((area) => area !== null);
    return { curves, areas };
  }

  private curve(question: LineQuestion, source: Source): Curve | null {
    const { run, key, x } = question;
    const id = [run, key, x].join("\u0000");
    const series = source.series(question, this.points) ?? this.before.get(id);
    if (!series) return null;
    this.before.set(id, series);
    const { xs, ys } = series;
    if (xs.length === 0) return null;
    const { smooth = 0, keys } = this.spec;
    const smoothedYs = smooth > 0 ? smoothed(xs, ys, smooth) : null;
    return { run, key, label: this.label(run, key), ...this.style(run, key, keys), xs, ys, smooth: smoothedYs };
  }

  private label(run: string, key: string): string {
    if (this.spec.keys.length === 1) return run;
    return this.runs.length === 1 ? key : `${run} ${key}`;
  }

  /** By run; by key where there is one run only. Several keys of several runs are told apart by their dashes. */
  private style(run: string, key: string, keys: readonly string[]): Style {
    if (keys.length === 1) return styleOf(run);
    if (this.runs.length === 1) return styleOf(key);
    return { color: styleOf(run).color, dash: styleOf(key).dash };
  }

  private area(question: BandQuestion, source: Source): Area | null {
    const { name, key, x } = question;
    const id = [name, key, x].join("\u0000");
    const band = source.band(question, this.points);
    const before = this.bandsBefore.get(id);
    if (!band) return before ?? null;
    const { xs, mean, low, high, min, max, runs } = band;
    if (band.n === 0) return null;
    const label = `${name === "all" ? "mean" : name} of ${runs} ${runs === 1 ? "run" : "runs"}`;
    const area = { name, key, label, ...styleOf(this.spec.keys.length > 1 ? `${name} ${key}` : name), runs, xs, mean, low, high, min, max };
    this.bandsBefore.set(id, area);
    return area;
  }

  /** What is to be said where nothing is drawn; null where something is. */
  note({ curves, areas }: Picture, isWaiting: boolean): string | null {
    if (curves.length + areas.length > 0) return null;
    if (this.runs.length === 0) return "No run is chosen";
    return isWaiting ? "Loading" : "No values here";
  }
}
