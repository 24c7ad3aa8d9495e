/** Which runs a block is about, and what it tells of them. Pure. */

import { matcher } from "../runs/search";
import { asText, naturally, parameterOf, toNumber } from "../runs/values";
import type { Run } from "../types";
import { Fault, globOf, isGlob, keyFrom, numberIn, one, type Fields } from "./spec";

type Stat = "last" | "min" | "max";
const STATS: readonly Stat[] = ["last", "min", "max"];
/** Runs of a chart, and of a table, where a block does not say how many. */
export const MOST_RUNS = 100;

/** The runs in a folder, or those that a block names; the ones that changed last, where there are too many. */
export function pick(fields: Fields, folder: string, all: Iterable<Run>, most = MOST_RUNS): Run[] {
  const isNamed = namedBy(fields.get("runs") ?? ["."], folder);
  const matches = matcher(one(fields, "where") ?? "");
  const found = [...all].filter((run) => isNamed(run.run) && matches(run));
  const limit = numberIn(fields, "limit", 1, 1000) ?? most;
  if (found.length > limit) found.sort((a, b) => b.updated - a.updated).splice(limit);
  return found.sort((a, b) => naturally(a.run, b.run));
}

function namedBy(texts: readonly string[], folder: string): (run: string) => boolean {
  const tests = texts.map((text) => {
    const key = keyFrom(folder, text);
    if (isGlob(key)) {
      const glob = globOf(key);
      return (run: string) => glob.test(run);
    }
    return (run: string) => key === "" || run === key || run.startsWith(`${key}/`);
  });
  return (run) => tests.some((test) => test(run));
}

/** The names by which runs are told apart: without the folders that all of them share. */
export function shortNames(runs: readonly Run[], folder: string): Map<string, string> {
  const start = folder && runs.every(({ run }) => run.startsWith(`${folder}/`)) ? folder.length + 1 : 0;
  return new Map(runs.map(({ run }) => [run, run.slice(start) || "the data folder"]));
}

/** Groups of runs by the value of a parameter. */
export function groupsBy(parameter: string, runs: readonly Run[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const run of runs) {
    const value = parameterOf(run, parameter);
    const name = `${parameter}=${value === undefined ? "none" : asText(value)}`;
    groups.set(name, [...(groups.get(name) ?? []), run.run]);
  }
  return groups;
}

/** What a column tells of a run: a text, a number, or nothing. */
export function cell(run: Run, column: string): string | number | null {
  if (column === "run") return run.run;
  if (column === "tags") return run.tags.join(", ");
  if (column === "status" || column === "note") return run[column];
  const [, name = column, stat = "last"] = /^(.+)@(last|min|max)$/.exec(column) ?? [];
  const metric = run.metrics[name];
  if (metric) return toNumber(metric[STATS.indexOf(stat as Stat)]);
  const value = parameterOf(run, column);
  if (value !== undefined) return typeof value === "number" ? value : asText(value);
  if (column === "duration" || column === "rows" || column === "updated") return run[column];
  return null;
}

const MOST_PARAMETERS = 5;
const MOST_METRICS = 5;

/** The columns of a table that names none: the parameters in which its runs differ, and metrics. */
export function columnsOf(runs: readonly Run[]): string[] {
  const seen = new Map<string, Set<string>>();
  const metrics = new Set<string>();
  for (const run of runs) {
    for (const [name, value] of Object.entries(run.parameters)) seen.set(name, (seen.get(name) ?? new Set()).add(asText(value)));
    for (const name in run.metrics) metrics.add(name);
  }
  const count = (name: string) => runs.filter((run) => name in run.parameters).length;
  const differing = [...seen].filter(([name, values]) => values.size > 1 || (count(name) < runs.length && runs.length > 1)).map(([name]) => name);
  return ["run", ...differing.slice(0, MOST_PARAMETERS), ...[...metrics].sort().slice(0, MOST_METRICS)];
}

/** Sort by columns; a minus before the name turns the order. What has no value comes last. */
export function sorted(runs: readonly Run[], by: readonly string[]): Run[] {
  return [...runs].sort((a, b) => {
    for (const text of by) {
      const column = text.replace(/^-/, "");
      const [one, other] = [cell(a, column), cell(b, column)];
      if (isNothing(one) || isNothing(other)) {
        if (isNothing(one) !== isNothing(other)) return isNothing(one) ? 1 : -1;
        continue;
      }
      const order = typeof one === "number" && typeof other === "number" ? one - other : naturally(String(one), String(other));
      if (order !== 0) return text.startsWith("-") ? -order : order;
    }
    return 0;
  });
}

function isNothing(value: string | number | null): boolean {
  return value === null || value === "" || Number.isNaN(value);
}

/** The value that a block shows, and the run it is of: of the one that changed last, or of the one where it is best. */
export function valueOf(runs: readonly Run[], key: string, stat: Stat, best: "min" | "max" | null): { run: Run; value: number } | null {
  let found: { run: Run; value: number } | null = null;
  for (const run of runs) {
    const value = cell(run, `${key}@${stat}`);
    if (typeof value !== "number") continue;
    const isBetter = !found || (best === null ? run.updated > found.run.updated : best === "min" ? value < found.value : value > found.value);
    if (isBetter && !(best !== null && Number.isNaN(value))) found = { run, value };
  }
  return found;
}

export function keyOf(fields: Fields): string {
  const key = one(fields, "key");
  if (!key) throw new Fault("A value needs a key: the name of a metric.");
  return key;
}
