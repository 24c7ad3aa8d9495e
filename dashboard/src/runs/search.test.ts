import { expect, test } from "vitest";
import type { Run } from "../types";
import { faultOf, matcher, metricFilter } from "./search";

function run(name: string, parts: Partial<Run> = {}): Run {
  const nothing = { status: null, alive: null, start: null, updated: 0, duration: null, rows: 0, size: 0 };
  return { run: name, ...nothing, tags: [], note: "", parameters: {}, metrics: {}, ...parts };
}

const RUNS = [
  run("robot/a", { status: "completed", parameters: { lr: 0.0003, env: "door" }, metrics: { loss: [0.1, 0.05, 3] }, rows: 10 }),
  run("robot/b", { status: "error", parameters: { lr: 0.01, env: "Door two" }, metrics: { loss: ["NaN", 0.2, 9] }, rows: 20 }),
  run("walk/c", { parameters: { "Args.lr": 1, env: "hammer", big: true }, tags: ["best", "paper"], note: "Try 12:30" }),
];

function names(query: string): string[] {
  return RUNS.filter(matcher(query)).map((run) => run.run);
}

test.each([
  ["", ["robot/a", "robot/b", "walk/c"]],
  ["ROBOT", ["robot/a", "robot/b"]],
  ["robot two", ["robot/b"]],
  ["paper", ["walk/c"]],
  ["hammer", ["walk/c"]],
  ["12:30", ["walk/c"]],
  ["nothing", []],
])("plain words are all looked for in names, parameters, tags and notes: %s", (query, expected) => {
  expect(names(query)).toEqual(expected);
});

test.each([
  ["lr<1e-3", ["robot/a"]],
  ["lr>=0.01", ["robot/b", "walk/c"]],
  ["lr=.01", ["robot/b"]],
  ["lr!=0.01", ["robot/a", "walk/c"]],
  ["env=door", ["robot/a"]],
  ["env:door", ["robot/a", "robot/b"]],
  ['env="door two"', ["robot/b"]],
  ["loss<0.2", ["robot/a"]],
  ["loss=nan", ["robot/b"]],
  ["loss:nan", ["robot/b"]],
  ["status!=error", ["robot/a", "walk/c"]],
  ["tag:best", ["walk/c"]],
  ["tag=bes", []],
  ["big=true", ["walk/c"]],
  ["rows>10", ["robot/b"]],
  ["robot lr<1e-3 env=door", ["robot/a"]],
  ["lr<", ["robot/a", "robot/b", "walk/c"]],
  ["unknown=1", []],
  ['"lr<1"', []],
])("comparisons ask parameters, last values and fields: %s", (query, expected) => {
  expect(names(query)).toEqual(expected);
});

test("a regular expression chooses the keys of metrics, and leaves the runs", () => {
  expect(names("/^loss/ robot")).toEqual(["robot/a", "robot/b"]);
  expect(["loss", "val/loss", "Loss2"].filter(metricFilter("robot /^loss/"))).toEqual(["loss", "Loss2"]);
  expect(["loss", "val/loss"].filter(metricFilter("/val\\/l/"))).toEqual(["val/loss"]);
  expect(["loss"].filter(metricFilter("robot"))).toEqual(["loss"]);
});

test("a wrong regular expression is said, and chooses nothing away", () => {
  expect(faultOf("/(/")).toContain("(");
  expect(["loss"].filter(metricFilter("/(/"))).toEqual(["loss"]);
  expect(faultOf("lr<1 /a/")).toBeNull();
});

test("ten thousand runs with thirty parameters are searched within the time of a key", () => {
  const parameters = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`group.name${at}`, `value ${at}`]));
  const many = Array.from({ length: 10_000 }, (_, at) => run(`robot/${at}`, { parameters: { ...parameters, seed: at } }));
  many.filter(matcher("a"));
  expect(many.filter(matcher("robot/99 seed<1000 name3:value")).length).toBe(11);
});
