import { expect, test } from "vitest";
import type { Run } from "../types";
import { arrangeRows, groupName, groupRuns, sortRuns } from "./order";

function run(name: string, parts: Partial<Run> = {}): Run {
  const nothing = { status: null, alive: null, start: null, updated: 0, duration: null, rows: 0, size: 0 };
  return { run: name, ...nothing, tags: [], note: "", parameters: {}, metrics: {}, ...parts };
}

const RUNS = [
  run("a-10", { parameters: { lr: 0.1, env: "door" }, metrics: { loss: [3, 0, 0] } }),
  run("a-9", { parameters: { lr: 0.01, env: "door" }, metrics: { loss: ["NaN", 0, 0] } }),
  run("b", { parameters: { lr: 0.1 } }),
  run("c", { parameters: { lr: 10, env: "hammer" }, metrics: { loss: [1, 0, 0] } }),
];
const NONE = { pinned: new Set<string>(), folded: new Set<string>() };

test.each([
  ["name", ["a-9", "a-10", "b", "c"]],
  ["-name", ["c", "b", "a-10", "a-9"]],
  ["param:lr", ["a-9", "a-10", "b", "c"]],
  ["param:env", ["a-9", "a-10", "c", "b"]],
  ["-param:env", ["c", "a-9", "a-10", "b"]],
  ["last:loss", ["c", "a-10", "a-9", "b"]],
  ["-last:loss", ["a-10", "c", "a-9", "b"]],
])("runs are sorted by %s, and what has no value comes last", (sort, expected) => {
  expect(sortRuns(RUNS, sort).map((run) => run.run)).toEqual(expected);
});

test("pinned runs come first, and groups follow with their runs", () => {
  const rows = arrangeRows(sortRuns(RUNS, "name"), { ...NONE, group: ["env"], pinned: new Set(["c"]), folded: new Set(["env = –"]) });
  expect(rows.map((row) => row.key)).toEqual(["c", "group:env = door", "a-9", "a-10", "group:env = –"]);
});

test("groups are in the order of their values, not of their letters", () => {
  expect(groupRuns(RUNS, ["lr"]).map((group) => group.name)).toEqual(["lr = 0.01", "lr = 0.1", "lr = 10"]);
});

test("a group is named by all that it is grouped by", () => {
  expect(groupName(RUNS[0] as Run, ["env", "param:lr"])).toBe("env = door · lr = 0.1");
});

test("ten thousand runs are sorted and grouped within the time of a key", () => {
  const many = Array.from({ length: 10_000 }, (_, at) => run(`r-${at}`, { parameters: { lr: at % 10, seed: at } }));
  const rows = arrangeRows(sortRuns(many, "-param:seed"), { ...NONE, group: ["lr"] });
  expect(rows.length).toBe(10_010);
  expect(rows[1]?.run).toBe("r-9990");
});
