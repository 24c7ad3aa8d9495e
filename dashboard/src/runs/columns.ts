/** The columns of the table: which there are, which are shown, and what of a run stands in them. Pure. */

import type { Run } from "../types";
import { asText, parameterOf, toNumber } from "./values";

export type Kind = "field" | "param" | "last" | "min" | "max";

export interface Column {
  /** As it stands in the address: `status`, `param:lr`, `last:loss`, `min:loss`. */
  id: string;
  kind: Kind;
  name: string;
  label: string;
  width: number;
  /** Numbers stand on the right. */
  isNumber: boolean;
}

/** What is known of a parameter over many runs. */
interface Seen {
  count: number;
  first: unknown;
  differs: boolean;
  isNumber: boolean;
  longest: number;
}

/** What a look at all runs has found. */
export interface Scan {
  parameters: ReadonlyMap<string, Seen>;
  metrics: readonly string[];
  /** The folder that all of them are in, and how long names are without it. */
  common: string;
  longestName: number;
  hasStatus: boolean;
  hasTags: boolean;
  hasNotes: boolean;
  /** How many runs have parameters. */
  described: number;
  runs: number;
}

const METRICS: Kind[] = ["last", "min", "max"];
const FIELDS: Record<string, [label: string, width: number, isNumber: boolean]> = {
  status: ["status", 118, false],
  start: ["started", 138, false],
  duration: ["duration", 104, true],
  rows: ["rows", 80, true],
  size: ["size", 86, true],
  tags: ["tags", 150, false],
  note: ["note", 200, false],
};
/** Parameters that log states and times: the fields tell them. */
const OF_THE_JOB = "job.";
/** Runs that are looked at before others get their turn. */
const STEP = 200;

/** Look at runs, with a pause after each few: the one who calls decides how long to go on. */
export function* scan(runs: readonly Run[]): Generator<void, Scan> {
  const parameters = new Map<string, Seen>();
  const metrics = new Set<string>();
  const common = commonFolder(runs.map((run) => run.run));
  const found = { longestName: 0, hasStatus: false, hasTags: false, hasNotes: false, described: 0 };
  for (const [at, run] of runs.entries()) {
    if (at % STEP === STEP - 1) yield;
    let own = 0;
    for (const name in run.parameters) {
      own++;
      see(parameters, name, run.parameters[name]);
    }
    for (const key in run.metrics) metrics.add(key);
    if (own > 0) found.described++;
    found.longestName = Math.max(found.longestName, run.run.length - common.length);
    found.hasStatus ||= run.status !== null || run.alive !== null;
    found.hasTags ||= run.tags.length > 0;
    found.hasNotes ||= run.note !== "";
  }
  return { parameters, metrics: [...metrics].sort(), common, ...found, runs: runs.length };
}

/** The folder that all are in, with the slash; nothing where there is none. */
function commonFolder(names: readonly string[]): string {
  let common = names[0] ?? "";
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  return common.slice(0, common.lastIndexOf("/") + 1);
}

function see(parameters: Map<string, Seen>, name: string, value: unknown): void {
  const seen = parameters.get(name);
  if (seen === undefined) {
    const isNumber = typeof value === "number";
    parameters.set(name, { count: 1, first: value, differs: false, isNumber, longest: asText(value).length });
    return;
  }
  seen.count++;
  if (value === seen.first) return;
  const text = asText(value);
  seen.longest = Math.max(seen.longest, text.length);
  seen.isNumber &&= typeof value === "number" || value === null;
  seen.differs ||= text !== asText(seen.first);
}

/** Whether a parameter tells runs apart; of a single run all do. */
export function differs(found: Scan, name: string): boolean {
  const seen = found.parameters.get(name);
  return seen !== undefined && (seen.differs || seen.count < found.described || found.described === 1);
}

/** The columns that are shown when nothing is chosen. */
export function usual(found: Scan): string[] {
  const names = [...found.parameters.keys()].filter((name) => differs(found, name) && !name.startsWith(OF_THE_JOB));
  return [
    ...(found.hasStatus ? ["status"] : []),
    "start",
    "duration",
    ...(found.hasTags ? ["tags"] : []),
    ...names.map((name) => `param:${name}`),
    ...found.metrics.map((key) => `last:${key}`),
    "rows",
    ...(found.hasNotes ? ["note"] : []),
  ];
}

/** Every column there is. */
export function every(found: Scan): string[] {
  return [
    ...Object.keys(FIELDS),
    ...[...found.parameters.keys()].map((name) => `param:${name}`),
    ...found.metrics.flatMap((key) => METRICS.map((kind) => `${kind}:${key}`)),
  ];
}

/** The usual columns, and what was chosen instead: `id` comes in, `-id` goes out. */
export function chosen(found: Scan, choice: ReadonlySet<string>): string[] {
  const usually = new Set(usual(found));
  return every(found).filter((id) => choice.has(id) || (usually.has(id) && !choice.has(`-${id}`)));
}

/** The order of columns: first what a run is, then what it was given, what came out, and the rest. */
function place(id: string): number {
  const { kind } = parse(id);
  if (kind === "param") return 1;
  return kind === "field" ? (["status", "tags"].includes(id) ? 0 : 3) : 2;
}

/** The columns of these, in order, with widths and labels. */
export function arrange(found: Scan, ids: readonly string[], keep: (key: string) => boolean): Column[] {
  const shown = ids.filter((id) => METRICS.includes(parse(id).kind) ? keep(parse(id).name) : true);
  const short = shortNames(shown.filter((id) => parse(id).kind === "param").map((id) => parse(id).name));
  return shown
    .map((id) => describe(found, id, short))
    .sort((one, other) => place(one.id) - place(other.id));
}

function describe(found: Scan, id: string, short: ReadonlyMap<string, string>): Column {
  const { kind, name } = parse(id);
  const field = FIELDS[id];
  if (field) return { id, kind, name, label: field[0], width: field[1], isNumber: field[2] };
  if (kind === "param") {
    const seen = found.parameters.get(name);
    const label = short.get(name) ?? name;
    const letters = Math.min(Math.max(seen?.longest ?? 0, label.length + 2), 26);
    return { id, kind, name, label, width: Math.max(64, 24 + 7.4 * letters), isNumber: seen?.isNumber ?? false };
  }
  const label = kind === "last" ? name : `${kind} ${name}`;
  return { id, kind, name, label, width: Math.min(Math.max(92, 34 + 7.4 * label.length), 190), isNumber: true };
}

/** The last parts of dotted names, where they are enough to tell them apart. */
function shortNames(names: readonly string[]): Map<string, string> {
  const ends = new Map<string, number>();
  for (const name of names) ends.set(lastPart(name), (ends.get(lastPart(name)) ?? 0) + 1);
  return new Map(names.map((name) => [name, ends.get(lastPart(name)) === 1 ? lastPart(name) : name]));
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1) || name;
}

/** What the name of a column means. */
export function parse(id: string): { kind: Kind; name: string } {
  const at = id.indexOf(":");
  if (at < 0) return { kind: "field", name: id };
  return { kind: id.slice(0, at) as Kind, name: id.slice(at + 1) };
}

/** What a run has in a column, as a number where it is one; undefined where it has nothing. */
export function valueIn(id: string): (run: Run) => unknown {
  const { kind, name } = parse(id);
  if (kind === "param") return (run) => parameterOf(run, name);
  if (kind === "field") return (run) => fieldOf(run, name);
  const at = METRICS.indexOf(kind);
  return (run) => {
    const metric = Object.hasOwn(run.metrics, name) ? run.metrics[name] : undefined;
    return metric && at >= 0 ? (toNumber(metric[at]) ?? undefined) : undefined;
  };
}

function fieldOf(run: Run, name: string): unknown {
  if (name === "name") return run.run;
  if (name === "tags") return run.tags.length ? run.tags.join(", ") : undefined;
  if (name === "note") return run.note || undefined;
  if (name === "status") return run.status ?? (run.alive ? "running" : undefined);
  if (name === "start" || name === "duration") return run[name] ?? undefined;
  return name === "rows" || name === "size" ? run[name] : undefined;
}
