/** From what a chart is to show, to questions; and from what came, to a picture. */

import { runs, styleOf, type Style } from "../state";
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

const STEP = "_step";

function hasKey(run: string, key: string): boolean {
  return runs.peek().get(run)?.metrics[key] !== undefined;
}

/** How something is drawn, and what it is called among the others of its chart. */
export interface Look extends Style {
  label: string;
}

/** Colors are by run; by key where there is one run. Several keys of several runs are told apart by their dashes. */
function lookOfLine({ keys }: ChartSpec, runs: readonly string[], run: string, key: string): Look {
  if (keys.length === 1) return { label: run, ...styleOf(run) };
  if (runs.length === 1) return { label: key, ...styleOf(key) };
  return { label: `${run} ${key}`, color: styleOf(run).color, dash: styleOf(key).dash };
}

/** The name of the group that all runs are in where there is no other. */
const ALL = "all";

function lookOfBand({ keys }: ChartSpec, name: string, key: string): Look {
  const group = name === ALL ? "mean" : name;
  return keys.length === 1 ? { label: group, ...styleOf(name) } : { label: `${group} ${key}`, ...styleOf(`${name} ${key}`) };
}

function groupsOf({ groups }: ChartSpec, runs: readonly string[]): ReadonlyMap<string, readonly string[]> {
  return groups && groups.size > 0 ? groups : new Map([[ALL, runs]]);
}

/** All lines, or bands, of a chart, each with the run that it is of; null for a band. */
export function legendOf(spec: ChartSpec, runs: readonly string[]): (Look & { run: string | null })[] {
  if (isBanded(spec, runs)) return [...groupsOf(spec, runs).keys()].flatMap((name) => spec.keys.map((key) => ({ run: null, ...lookOfBand(spec, name, key) })));
  return runs.flatMap((run) => spec.keys.map((key) => ({ run, ...lookOfLine(spec, runs, run, key) })));
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
  /** Runs, and names of bands, that have no steps: they are drawn over the number of the row. */
  private readonly stepless = new Set<string>();

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
    const { keys, x = "_step" } = this.spec;
    const part = (name: string) => ({ x: x === STEP && this.stepless.has(name) ? "" : x, from: this.range?.[0] ?? null, to: this.range?.[1] ?? null });
    this.lines = [];
    this.bands = [];
    if (isBanded(this.spec, this.runs)) {
      for (const key of keys) for (const [name, runs] of groupsOf(this.spec, this.runs)) this.bands.push({ name, runs: [...runs], key, ...part(`band ${name}`), bins: BINS });
      return;
    }
    for (const key of keys) for (const run of this.runs) this.lines.push({ run, key, ...part(`run ${run}`) });
    const fair = CHART_POINTS / Math.max(1, this.lines.length);
    this.points = Math.round(Math.min(MOST_POINTS, Math.max(LEAST_POINTS, fair)) / 100) * 100;
  }

  /** Whether some turned out to have no steps, as of `log(loss=0.1)`: then there is something else to be asked for. */
  findStepless(source: Source): boolean {
    const before = this.stepless.size;
    for (const question of this.lines) {
      const { run, key, x } = question;
      if (x === STEP && source.series(question, this.points)?.isMissing && hasKey(run, key)) this.stepless.add(`run ${run}`);
    }
    for (const question of this.bands) {
      const { name, key, x } = question;
      const band = source.band(question, this.points);
      if (x === STEP && band && band.n + band.odd === 0 && question.runs.some((run) => hasKey(run, key))) this.stepless.add(`band ${name}`);
    }
    if (this.stepless.size === before) return false;
    this.pose();
    return true;
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
    const { smooth = 0 } = this.spec;
    const smoothedYs = smooth > 0 ? smoothed(xs, ys, smooth) : null;
    return { run, key, ...lookOfLine(this.spec, this.runs, run, key), xs, ys, smooth: smoothedYs };
  }

  private area(question: BandQuestion, source: Source): Area | null {
    const { name, key, x } = question;
    const id = [name, key, x].join("\u0000");
    const band = source.band(question, this.points);
    const before = this.bandsBefore.get(id);
    if (!band) return before ?? null;
    const { xs, mean, low, high, min, max, oddXs, oddYs, runs } = band;
    if (band.n + band.odd === 0) return null;
    const look = lookOfBand(this.spec, name, key);
    const area = { name, key, ...look, label: `${look.label} of ${runs} ${runs === 1 ? "run" : "runs"}`, runs, xs, mean, low, high, min, max, oddXs, oddYs };
    this.bandsBefore.set(id, area);
    return area;
  }

  /** What is to be said where nothing is drawn; null where something is. */
  note({ curves, areas }: Picture, isWaiting: boolean): string | null {
    if (curves.length + areas.length > 0) return null;
    if (this.runs.length === 0) return "No run is chosen";
    return isWaiting ? "Loading" : "No values over this x";
  }
}
