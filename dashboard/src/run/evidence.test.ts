import { expect, test } from "vitest";
import type { Listed } from "../files/tree";
import { evidenceOf, frameAt, placeAt, stepOf, stepsOf } from "./evidence";

test.each([
  ["0004.png", 4, ""],
  ["-3.png", -3, ""],
  ["0.5.png", 0.5, ""],
  ["1e3.png", 1000, ""],
  ["curve_0004.png", 4, "curve"],
  ["curve-step-400.svg", 400, "curve"],
  ["step_400.png", 400, ""],
  ["epoch12.mp4", 12, ""],
  ["0004_policy.pkl", 4, "policy"],
  ["model-v2_100.png", 100, "model-v2"],
  ["confusion.png", null, "confusion"],
  [".png", null, ".png"],
  ["laststep.png", null, "laststep"],
])("the step of %s is %s", (name, step, rest) => {
  expect(stepOf(name)).toEqual({ step, rest });
});

const files = (keys: string[]): Listed[] => keys.map((key) => [`run/${key}`, 1, 2]);

test("pictures that differ in the step are one series", () => {
  const { series } = evidenceOf("run/", files(["images/face/0008.png", "images/face/0004.gif", "figures/0004.png", "figures/curve_10.svg", "figures/curve_9.svg", "videos/walk_0100.mp4"]));
  expect(series.map(({ name, medium, frames }) => [name, medium, frames.map((frame) => frame.step)])).toEqual([
    ["figures", "picture", [4]],
    ["figures/curve", "picture", [9, 10]],
    ["images/face", "picture", [4, 8]],
    ["videos/walk", "video", [100]],
  ]);
});

test("a number in the name of the only file is no step", () => {
  const { series } = evidenceOf("run/", files(["figures/resnet50.png", "grid.png", "a1/b.png"]));
  expect(series.map(({ name, frames }) => [name, frames.map((frame) => frame.step)])).toEqual([
    ["a1/b", [null]],
    ["figures/resnet50.png", [null]],
    ["grid", [null]],
  ]);
});

test("logs, changes, code and histograms are told apart", () => {
  const found = evidenceOf("", files(["error.log", "outputs.log", "index.diff", "files/train.py", "histograms.pkl", "config.json", "metrics.pkl"]).map(([key, size, time]): Listed => [key.slice(4), size, time]));
  expect(found.logs.map(([key]) => key)).toEqual(["outputs.log", "error.log"]);
  expect(found.changes.map(([key]) => key)).toEqual(["index.diff"]);
  expect(found.code.map(([key]) => key)).toEqual(["files/train.py", "config.json"]);
  expect([found.histograms?.[0], found.count]).toEqual(["histograms.pkl", 7]);
});

test("one cursor goes through the steps of all", () => {
  const { series } = evidenceOf("run/", files(["a/0.png", "a/10.png", "b/5.png", "c.png"]));
  expect(stepsOf(series, [7, 10])).toEqual([0, 5, 7, 10]);
  expect([-1, 0, 4, 5, 99].map((step) => placeAt([0, 5, 7, 10], step))).toEqual([0, 0, 0, 1, 3]);
  const [a, b, c] = series;
  expect([a, b, c].map((one) => one && frameAt(one, 7)?.file[0])).toEqual(["run/a/0.png", "run/b/5.png", "run/c.png"]);
  expect(b && frameAt(b, 0)?.step).toBe(5);
});
