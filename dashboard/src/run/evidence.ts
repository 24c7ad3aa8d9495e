/** What the files of a run are: pictures and films over steps, logs, code, changes. Pure. */

import { folderOf, kindOf, nameOf } from "../files/kinds";
import type { Listed } from "../files/tree";
import { naturally } from "../runs/values";

export type Medium = "picture" | "video" | "audio";

export interface Frame {
  /** Null where the name of the file holds no step. */
  step: number | null;
  file: Listed;
}

/** Files that are one thing over steps, such as `images/face/0004.png` and `images/face/0008.png`. */
export interface Series {
  name: string;
  medium: Medium;
  /** By step. */
  frames: Frame[];
  /** The step of each frame; -Infinity for none. */
  steps: number[];
}

export interface Evidence {
  series: Series[];
  logs: Listed[];
  changes: Listed[];
  code: Listed[];
  /** The file of histograms, if there is one. */
  histograms: Listed | null;
  count: number;
}

const MEDIA: Partial<Record<string, Medium>> = { image: "picture", drawing: "picture", video: "video", audio: "audio" };

/** The step that a name holds, and the name without it: of `curve_0004.png` 4 and `curve`; `0.5.png` is step 0.5. */
export function stepOf(name: string): { step: number | null; rest: string } {
  const stem = name.replace(/(?<=.)\.[a-z][a-z0-9]*$/i, "");
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(stem)) return { step: Number(stem), rest: "" };
  const behind = /^(.*?)[-_. =]*(?:(?<![a-z])(?:step|steps|iter|iteration|epoch|ep|frame)s?[-_. =]*)?(\d+)$/i.exec(stem);
  if (behind) return { step: Number(behind[2]), rest: behind[1] ?? "" };
  const before = /^(?:(?:step|iter|iteration|epoch|ep|frame)[-_. =]*)?(\d+)[-_. =]+(.+)$/i.exec(stem);
  if (before) return { step: Number(before[1]), rest: before[2] ?? "" };
  return { step: null, rest: stem };
}

/** Sort the files of a run, which are below `folder` ("" or with a slash). */
export function evidenceOf(folder: string, files: readonly Listed[]): Evidence {
  const found: Evidence = { series: [], logs: [], changes: [], code: [], histograms: null, count: files.length };
  const groups = new Map<string, Series>();
  for (const file of files) {
    const key = file[0].slice(folder.length);
    const kind = kindOf(key);
    const medium = MEDIA[kind];
    if (medium) addFrame(groups, key, medium, file);
    else if (key === "histograms.pkl") found.histograms = file;
    else if (kind === "diff") found.changes.push(file);
    else if (kind === "text" && /\.(log|out|err)$|(^|\/)[^/]*(stdout|stderr)[^/]*$/i.test(key)) found.logs.push(file);
    else if (["text", "json", "markdown"].includes(kind)) found.code.push(file);
  }
  found.series = [...groups.values()].map(alone).sort((a, b) => byName(a.name, b.name));
  found.code.sort((a, b) => Number(kindOf(a[0]) !== "text") - Number(kindOf(b[0]) !== "text") || byName(a[0], b[0]));
  found.logs.sort((a, b) => byName(rank(a[0]), rank(b[0])));
  return found;
}

function addFrame(groups: Map<string, Series>, key: string, medium: Medium, file: Listed): void {
  const { step, rest } = stepOf(nameOf(key));
  const name = `${folderOf(key)}${rest}`.replace(/\/$/, "") || nameOf(key);
  const id = `${medium} ${name}`;
  const series = groups.get(id) ?? { name, medium, frames: [], steps: [] };
  series.frames.push({ step, file });
  groups.set(id, series);
}

/** A number in the name of the only file of its kind is no step, unless it is all of the name. */
function alone(series: Series): Series {
  const [frame] = series.frames;
  const place = ({ step }: Frame) => step ?? -Infinity;
  series.frames.sort((a, b) => (place(a) < place(b) ? -1 : Number(place(a) > place(b))));
  series.steps = series.frames.map(place);
  if (series.frames.length > 1 || !frame || frame.step === null) return series;
  const name = nameOf(frame.file[0]);
  if (/^-?\d/.test(name) || /(step|iter|epoch|frame|[-_=])0*\d+\.\w+$/i.test(name)) return series;
  return { ...series, name: `${folderOf(`${series.name}x`)}${name}`, frames: [{ ...frame, step: null }], steps: [-Infinity] };
}

/** The log that is written first of all comes first. */
function rank(key: string): string {
  return key.endsWith("/outputs.log") || key === "outputs.log" ? "" : key;
}

function byName(a: string, b: string): number {
  return naturally(a, b);
}

/** All steps that something is of, each once, in order. */
export function stepsOf(series: readonly Series[], others: Iterable<number> = []): number[] {
  const steps = new Set(others);
  for (const { frames } of series) for (const { step } of frames) if (step !== null) steps.add(step);
  return [...steps].sort((a, b) => a - b);
}

/** The place of the last of some rising numbers that is not above a value; the first where all are above. */
export function placeAt(steps: readonly number[], value: number): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] ?? Infinity) <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** What a series shows at a step: its last frame that is not later, or else its first. */
export function frameAt({ frames, steps }: Series, step: number): Frame | undefined {
  return frames[placeAt(steps, step)];
}
