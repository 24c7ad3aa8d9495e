/** What the server sends. */

/** A number as JSON carries it: what JSON has no form for comes as a word. */
export type JsonNumber = number | "NaN" | "Infinity" | "-Infinity";

/** What is known of one run. */
export interface Run {
  run: string;
  status: string | null;
  /** Whether its sign of life is fresh; null where it gives none. */
  alive: boolean | null;
  start: number | null;
  updated: number;
  duration: number | null;
  rows: number;
  size: number;
  tags: string[];
  note: string;
  parameters: Record<string, unknown>;
  /** The last, the least and the greatest value of each metric. */
  metrics: Record<string, [JsonNumber, JsonNumber, JsonNumber]>;
}

export interface RunsAnswer {
  version: string;
  complete?: boolean;
  reset?: boolean;
  runs: Run[];
  removed?: string[];
}

/** Which part of which series is asked for; `from` and `to` are values of x. */
export interface LineQuestion {
  run: string;
  key: string;
  x: string;
  from: number | null;
  to: number | null;
}

export interface BandQuestion {
  name: string;
  runs: string[];
  key: string;
  x: string;
  from: number | null;
  to: number | null;
  bins: number;
}

export interface SeriesQuestion {
  lines: LineQuestion[];
  bands: BandQuestion[];
  points: number;
  precision: 32 | 64;
}

export type Floats = Float64Array | Float32Array;

/** One series, or the new rows of one. */
export interface Line {
  run: string;
  key: string;
  x: string;
  n: number;
  /** How many rows the file of the run has. */
  rows: number;
  /** The first of the rows that these are, where they are news. */
  start?: number;
  count?: number;
  sampled?: boolean;
  missing?: boolean;
  x0?: number;
  xs: Float64Array;
  ys: Floats;
}

/** The same series of many runs, in bins of x. */
export interface Band {
  name: string;
  key: string;
  x: string;
  n: number;
  runs: number;
  xs: Float64Array;
  mean: Float64Array;
  low: Float64Array;
  high: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** How many values that are no finite numbers are told: of each kind the first of each bin. */
  odd: number;
  oddXs: Float64Array;
  oddYs: Float64Array;
}

export interface SeriesAnswer {
  lines: Line[];
  bands: Band[];
}

export interface Session {
  required: boolean;
  name: string | null;
  scopes: string[];
  prefix: string;
}

/** A file or a folder of a listing. */
export interface Entry {
  key: string;
  size: number;
  mtime: number;
}

export interface Report {
  html: string;
  text: string;
  etag: string | null;
}
