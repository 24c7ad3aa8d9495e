import { expect, test } from "vitest";
import type { Run } from "../types";
import { cell, columnsOf, groupsBy, pick, shortNames, sorted, valueOf } from "./pick";
import { parseFields } from "./spec";

function run(name: string, lr: number, loss: [number, number, number], updated = 1): Run {
  return { run: name, status: "completed", alive: null, start: 0, updated, duration: 5, rows: 3, size: 9, tags: ["x", "y"], note: "", parameters: { "Args.lr": lr, same: 1 }, metrics: { loss } };
}

const ALL = [run("me/seed-10", 0.1, [3, 1, 9], 5), run("me/seed-2", 0.2, [2, 2, 4]), run("you/a", 0.3, [1, 0, 1]), run("mean", 0, [7, 7, 7])];
const names = (found: Run[]) => found.map(({ run }) => run);

test("a block is about the runs below its folder, those it names, and those it searches for", () => {
  expect(names(pick(parseFields("table", ""), "me", ALL))).toEqual(["me/seed-2", "me/seed-10"]);
  expect(names(pick(parseFields("table", ""), "", ALL))).toEqual(["me/seed-2", "me/seed-10", "mean", "you/a"]);
  expect(names(pick(parseFields("table", "runs: seed-1*, /you"), "me", ALL))).toEqual(["me/seed-10", "you/a"]);
  expect(names(pick(parseFields("table", "where: loss<3"), "me", ALL))).toEqual(["me/seed-2"]);
  expect(names(pick(parseFields("table", "limit: 1"), "me", ALL))).toEqual(["me/seed-10"]);
});

test("cells tell metrics with what of them, parameters, and what is known of a run", () => {
  const [first] = ALL as [Run];
  expect(["loss", "loss@min", "loss@max", "Args.lr", "tags", "status", "none"].map((column) => cell(first, column))).toEqual([3, 1, 9, 0.1, "x, y", "completed", null]);
  expect(columnsOf(ALL)).toEqual(["run", "Args.lr", "loss"]);
  expect(columnsOf([first])).toEqual(["run", "loss"]);
  expect([...groupsBy("same", ALL).keys()]).toEqual(["same=1"]);
  expect(groupsBy("other", ALL).get("other=none")).toHaveLength(4);
});

test("rows are sorted by columns, numbers as numbers, and what is nothing comes last", () => {
  const odd = run("me/odd", NaN, [NaN, NaN, NaN]);
  expect(names(sorted([odd, ...ALL], ["loss"]))).toEqual(["you/a", "me/seed-2", "me/seed-10", "mean", "me/odd"]);
  expect(names(sorted([odd, ...ALL], ["-loss"]))).toEqual(["mean", "me/seed-10", "me/seed-2", "you/a", "me/odd"]);
  expect(names(sorted(ALL, ["run"]))).toEqual(["me/seed-2", "me/seed-10", "mean", "you/a"]);
});

test("a value is that of the run that changed last, or of the best one", () => {
  const mine = ALL.slice(0, 2);
  expect(valueOf(mine, "loss", "last", null)?.value).toBe(3);
  expect(valueOf(mine, "loss", "min", "min")).toMatchObject({ value: 1, run: { run: "me/seed-10" } });
  expect(valueOf(mine, "loss", "last", "min")?.value).toBe(2);
  expect(valueOf(mine, "none", "last", null)).toBeNull();
  expect([...shortNames(mine, "me").values()]).toEqual(["seed-10", "seed-2"]);
});
