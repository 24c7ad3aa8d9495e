/** Charts as files: PNG and SVG as they are drawn, CSV with every point there is. */

import { getSeries, LINE_POINTS } from "../api";
import { runs } from "../state";
import type { Line, LineQuestion, SeriesAnswer } from "../types";
import { Composer, titleOf, type ChartSpec, type Source } from "./compose";
import { csvOf, type CsvLine } from "./csv";
import { kindOf } from "./numbers";
import type { Range } from "./ranges";
import { chartGroup, heightOf, svgDocument, type Colors, type Sheet } from "./svg";
import { Series } from "./thin";
import { nameOf } from "./tooltip";

export type Format = "png" | "svg" | "csv";

/** A chart that is exported: what it shows, of which runs, and which part of x. */
export interface Exported {
  spec: ChartSpec;
  runs: readonly string[];
  range: Range | null;
}

const WIDTH = 720;
const HEIGHT = 320;
const SPACE = 16;
/** Pixels of a PNG in one of the page. */
const SHARP = 2;
/** What a request may hold; see the limits of the server. */
const MOST_POINTS = 1_000_000;
const MOST_LINES = 2000;

/** Make a file, and give it to the browser to keep. */
export async function exportCharts(charts: readonly Exported[], format: Format, name: string): Promise<void> {
  const file = `${name.replace(/[^\w.-]+/g, "_").slice(0, 80) || "charts"}.${format}`;
  if (format === "csv") return save(new Blob(await csvPieces(charts), { type: "text/csv" }), file);
  const { text, width, height } = await drawing(charts);
  const svg = new Blob([text], { type: "image/svg+xml" });
  save(format === "svg" ? svg : await rasterized(svg, width, height), file);
}

function save(data: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** All charts on one sheet, two in a row where there are more than one; in the colors of the page, or in others. */
export async function drawing(charts: readonly Exported[], colors: Colors = colorsOfPage()): Promise<{ text: string; width: number; height: number }> {
  const sheets: Sheet[] = [];
  for (const chart of charts) sheets.push(await sheetOf(chart));
  const columns = Math.min(2, sheets.length);
  const parts: string[] = [];
  let y = SPACE;
  for (let at = 0; at < sheets.length; at += columns) {
    const row = sheets.slice(at, at + columns);
    row.forEach((sheet, column) => {
      parts.push(`<g transform="translate(${SPACE + column * (WIDTH + SPACE)} ${y})">${chartGroup(sheet, colors, `clip${at + column}`)}</g>`);
    });
    y += Math.max(...row.map(heightOf)) + SPACE;
  }
  const width = SPACE + columns * (WIDTH + SPACE);
  return { text: svgDocument(parts.join(""), width, y, colors), width, height: y };
}

async function sheetOf({ spec, runs, range }: Exported): Promise<Sheet> {
  const composer = new Composer();
  composer.set(spec, runs, range);
  let source = await sourceOf(composer);
  if (composer.findStepless(source)) source = await sourceOf(composer);
  const x = spec.x ?? "_step";
  return {
    title: titleOf(spec),
    picture: composer.picture(source),
    x,
    xName: nameOf(x),
    logX: (spec.logX ?? false) && kindOf(x) !== "time",
    logY: spec.logY ?? false,
    range,
    width: WIDTH,
    height: HEIGHT,
  };
}

async function sourceOf(composer: Composer): Promise<Source> {
  const { lines, bands, points } = composer.want();
  const answer = await getSeries({ lines, bands, points, precision: 64 });
  return {
    series: (question) => seriesOf(answer, lines.indexOf(question)),
    band: (question) => answer.bands[bands.indexOf(question)] ?? null,
  };
}

function seriesOf(answer: SeriesAnswer, at: number): Series | null {
  const line = answer.lines[at];
  return line ? new Series(line) : null;
}

function colorsOfPage(): Colors {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  return { text: color("--text"), soft: color("--soft"), grid: color("--grid"), card: color("--card") };
}

async function rasterized(svg: Blob, width: number, height: number): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    // A canvas has an end somewhere; a long view is less sharp, and whole.
    const scale = Math.min(SHARP, 16_000 / width, 16_000 / height);
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => canvas.toBlob((made) => (made ? resolve(made) : reject(new Error("the browser made no picture"))), "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Every point of every line. */
async function csvPieces(charts: readonly Exported[]): Promise<string[]> {
  const x = charts[0]?.spec.x ?? "_step";
  const questions: LineQuestion[] = [];
  for (const { spec, runs: names, range } of charts) {
    for (const key of spec.keys) for (const run of names) questions.push({ run, key, x, from: range?.[0] ?? null, to: range?.[1] ?? null });
  }
  const lines: CsvLine[] = [];
  for (const { batch, points } of batches(questions)) {
    const answer = await getSeries({ lines: batch, bands: [], points, precision: 64 });
    for (const [at, line] of answer.lines.entries()) lines.push(...(await whole(line, batch[at] as LineQuestion)));
  }
  return [...csvOf(x === "" ? "row" : x, lines)];
}

interface Batch {
  batch: LineQuestion[];
  points: number;
}

/** Questions that fit into one request with all the points that their runs have, as far as is known. */
function* batches(questions: readonly LineQuestion[]): Generator<Batch> {
  let now: Batch = { batch: [], points: 0 };
  for (const question of questions) {
    const mine = Math.min(MOST_POINTS, Math.max(100, (runs.value.get(question.run)?.rows ?? MOST_POINTS) + 100));
    const points = Math.max(now.points, mine);
    if (now.batch.length >= MOST_LINES || points * (now.batch.length + 1) > LINE_POINTS) {
      yield now;
      now = { batch: [question], points: mine };
    } else now = { batch: [...now.batch, question], points };
  }
  if (now.batch.length > 0) yield now;
}

/** The points of a line; where some were left out, it is asked for in two parts. */
async function whole(line: Line, question: LineQuestion): Promise<CsvLine[]> {
  if (line.missing && question.x === "_step") return whole(...(await oneLine({ ...question, x: "" }))); // it has no steps
  const middle = line.xs[line.n >> 1] as number;
  if (line.sampled && middle > (line.xs[0] as number)) {
    const parts = [];
    for (const part of [{ ...question, to: below(middle) }, { ...question, from: middle }]) {
      parts.push(...(await whole(...(await oneLine(part)))));
    }
    return parts;
  }
  const { run, key, from, to } = question;
  const kept = [...line.xs.keys()].filter((at) => inside(line.xs[at] as number, from, to)); // not the neighbors outside
  return [{ run, key, xs: Float64Array.from(kept, (at) => line.xs[at] as number), ys: Float64Array.from(kept, (at) => line.ys[at] as number) }];
}

async function oneLine(question: LineQuestion): Promise<[Line, LineQuestion]> {
  const { lines } = await getSeries({ lines: [question], bands: [], points: MOST_POINTS, precision: 64 });
  return [lines[0] as Line, question];
}

function inside(x: number, from: number | null, to: number | null): boolean {
  return (from === null || x >= from) && (to === null || x <= to);
}

/** The greatest number that is less. */
export function below(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}
