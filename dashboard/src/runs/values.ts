/** Values of runs as numbers and as texts. Pure. */

import type { Run } from "../types";

const WORDS: Record<string, number> = { nan: NaN, infinity: Infinity, inf: Infinity, "-infinity": -Infinity, "-inf": -Infinity };

/** A number, also as JSON words it and as people type it; null for what is none. */
export function toNumber(value: unknown): number | null {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return null;
  const word = WORDS[value.toLowerCase()];
  if (word !== undefined) return word;
  const number = Number(value);
  return Number.isNaN(number) ? null : number;
}

/** Any value as text, exactly. */
export function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** A parameter by its name, or by the last part of it, as columns show it, where only one ends so; undefined is none. */
export function parameterOf({ parameters }: Run, name: string): unknown {
  if (Object.hasOwn(parameters, name)) return parameters[name];
  const end = `.${name}`;
  const ending = Object.keys(parameters).filter((key) => key.endsWith(end));
  return ending.length === 1 ? parameters[ending[0] as string] : undefined;
}

/** A measured number in few digits: integers as they are, others with four that count. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return minus(String(value));
  if (size >= 1e7 || size < 1e-4) return minus(value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e"));
  return minus(String(size >= 1000 ? Math.round(value * 10) / 10 : Number(value.toPrecision(4))));
}

/** A count, with a comma at each thousand: as `toLocaleString("en")`, which first loads 40 ms of languages. */
export function formatCount(count: number | undefined): string {
  if (count === undefined) return "";
  const [whole, ...rest] = String(count).split(".");
  return [(whole as string).replace(/\B(?=(\d{3})+$)/g, ","), ...rest].join(".");
}

/** The sign that is as wide as a digit. */
function minus(text: string): string {
  return text.replaceAll("-", "−");
}

const UNITS: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"]];

/** A time that passed, in its two greatest units. */
export function formatDuration(seconds: number): string {
  for (const [at, [size, unit]] of UNITS.entries()) {
    if (seconds < size) continue;
    const [below, name] = UNITS[at + 1] ?? [1, "s"];
    const rest = Math.floor((seconds % size) / below);
    return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${name}` : ""}`;
  }
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds)} s`;
}

/** A point in time, here: the day and the minute. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const [month, day, hours, minutes] = [date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes()].map(twoDigits);
  return `${date.getFullYear()}-${month}-${day} ${hours}:${minutes}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** A number of bytes. */
export function formatSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < SIZES.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${SIZES[unit]}`;
}

const NATURAL = new Map<string, string>();
const MANY = 100_000;

/** The order in which people look for names, for `sort`. */
export function naturally(one: string, other: string): number {
  const [a, b] = [naturalKey(one), naturalKey(other)];
  if (a === b) return one < other ? -1 : Number(one > other);
  return a < b ? -1 : 1;
}

/** A text such that `run-2` sorts before `run-10`, and `lr-0.0003` before `lr-0.001`. */
export function naturalKey(text: string): string {
  let key = NATURAL.get(text);
  if (key === undefined) {
    if (NATURAL.size > MANY) NATURAL.clear();
    key = text.toLowerCase().replace(/(\d+)(\.\d+)?/g, (_, whole: string, part = "") => whole.padStart(16, "0") + part);
    NATURAL.set(text, key);
  }
  return key;
}
