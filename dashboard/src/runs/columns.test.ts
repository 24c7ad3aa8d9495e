import { expect, test } from "vitest";
import type { Run } from "../types";
import { arrange, chosen, scan, usual, valueIn, type Scan } from "./columns";

function run(name: string, parts: Partial<Run> = {}): Run {
  const nothing = { status: null, alive: null, start: null, updated: 0, duration: null, rows: 0, size: 0 };
  return { run: name, ...nothing, tags: [], note: "", parameters: {}, metrics: {}, ...parts };
}

function scanned(runs: Run[]): Scan {
  const steps = scan(runs);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

const TWO = scanned([
  run("a", { parameters: { "Args.lr": 0.1, "Args.env": "door", "Args.only": 1, "Args.list": [1, 2] }, metrics: { loss: [1, 0, 2] } }),
  run("b", { parameters: { "Args.lr": 0.2, "Args.env": "door", "Args.list": [1, 2] }, metrics: { reward: ["NaN", 0, 5] } }),
  run("c without any", { status: "completed" }),
]);

test("parameters that do not tell runs apart are left out, and of a single run none", () => {
  expect(usual(TWO)).toEqual(["status", "start", "duration", "param:Args.lr", "param:Args.only", "last:loss", "last:reward", "rows"]);
  expect(usual(scanned([run("a", { parameters: { lr: 1 } })]))).toContain("param:lr");
});

test("what is chosen comes in and goes out, and the rest stays usual", () => {
  expect(chosen(TWO, new Set(["min:loss", "param:Args.env", "-rows", "-status"]))).toEqual(
    ["start", "duration", "param:Args.lr", "param:Args.env", "param:Args.only", "last:loss", "min:loss", "last:reward"],
  );
});

test("columns have short names, places, and only the metrics that are asked for", () => {
  const columns = arrange(TWO, usual(TWO), (key) => key === "reward");
  expect(columns.map((column) => column.label)).toEqual(["status", "lr", "only", "reward", "started", "duration", "rows"]);
  expect(columns.map((column) => column.isNumber)).toEqual([false, true, true, true, false, true, true]);
});

test("the folder that all runs are in is told once", () => {
  expect(scanned([run("me/a/one"), run("me/a/two"), run("me/ab/three")]).common).toBe("me/");
  expect(scanned([run("me/a"), run("you/b")]).common).toBe("");
});

test("states, tags and notes have columns where there are some", () => {
  const ids = usual(scanned([run("a", { tags: ["x"], note: "y" }), run("b")]));
  expect(ids).toEqual(["start", "duration", "tags", "rows", "note"]);
});

test("the value in a column is that of the run, with numbers as numbers", () => {
  const one = run("a", { parameters: { lr: 0.1 }, metrics: { loss: ["NaN", 1, "Infinity"] }, alive: true });
  expect(["param:lr", "last:loss", "min:loss", "max:loss", "status", "name"].map((id) => valueIn(id)(one))).toEqual(
    [0.1, NaN, 1, Infinity, "running", "a"],
  );
  expect([valueIn("param:toString")(one), valueIn("last:toString")(one)]).toEqual([undefined, undefined]);
});
