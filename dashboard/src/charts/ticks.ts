/** Ticks of the axes of a picture that we draw ourselves. Pure. */

import { durationText, logTexts, logTicks, tickTexts, type Kind } from "./numbers";
import type { Range } from "./ranges";

export interface Tick {
  value: number;
  text: string;
}

const STEPS = [1, 2, 2.5, 5, 10];
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

/** About `count` ticks within a range. */
export function ticksOf(range: Range, kind: Kind, isLog: boolean, count: number): Tick[] {
  if (isLog) return logarithmic(range);
  const values = multiples(range, kind === "number" ? niceStep(range, count) : timeStep(range, count));
  if (kind === "number") return zip(values, tickTexts(values));
  return zip(values, kind === "duration" ? values.map(durationText) : values.map((value) => timeText(value, range)));
}

function zip(values: number[], texts: string[]): Tick[] {
  return values.map((value, at) => ({ value, text: texts[at] ?? "" }));
}

function niceStep([low, high]: Range, count: number): number {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * (STEPS.find((step) => step * power >= rough) ?? 10);
}

function timeStep(range: Range, count: number): number {
  const rough = (range[1] - range[0]) / count;
  return rough < 1 || rough > 604800 ? niceStep(range, count) : (SECONDS.find((step) => step >= rough) ?? 604800);
}

function multiples([low, high]: Range, step: number): number[] {
  const first = Math.ceil(low / step);
  const count = Math.min(100, Math.floor(high / step) - first + 1);
  return Array.from({ length: Math.max(0, count) }, (_, at) => Number(((first + at) * step).toPrecision(15)));
}

function logarithmic([low, high]: Range): Tick[] {
  const values: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (let lead = 1; lead < 10; lead++) {
      const value = Number(`${lead}e${power}`);
      if (value >= low && value <= high) values.push(value);
    }
  }
  return zip(values, logTexts(logTicks(values)));
}

function timeText(value: number, [low, high]: Range): string {
  const date = new Date(value * 1000);
  const time = { hour: "2-digit", minute: "2-digit", ...(high - low < 600 ? { second: "2-digit" as const } : {}) } as const;
  if (high - low < 86400) return date.toLocaleTimeString(undefined, time);
  return date.toLocaleDateString(undefined, { month: "short", day: "numeric" });
}
