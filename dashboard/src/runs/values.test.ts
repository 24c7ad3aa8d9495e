import { expect, test } from "vitest";
import type { Run } from "../types";
import { formatCount, formatDuration, formatNumber, formatSize, formatTime, naturally, parameterOf, toNumber } from "./values";

test.each([
  [0, "0"],
  [12345678, "12345678"],
  [0.123456, "0.1235"],
  [-1.5, "−1.5"],
  [1234.5678, "1234.6"],
  [0.00001234, "1.234e−5"],
  [1.5e12, "1.5e12"],
  [NaN, "NaN"],
  [-Infinity, "−∞"],
])("%s is shown as %s", (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test("counts have a comma at each thousand", () => {
  expect([0, 999, 1000, 1234567, -12345, 1234.5, undefined].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567", "-12,345", "1,234.5", ""]);
});

test("times are told in their two greatest units", () => {
  expect([3.21, 59, 61, 3600, 90061].map(formatDuration)).toEqual(["3.2 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]);
  expect(formatTime(0)).toMatch(/^(1970-01-01|1969-12-31) \d\d:\d\d$/);
});

test("sizes are told in bytes and their thousands", () => {
  expect([999, 1500, 2_000_000].map(formatSize)).toEqual(["999 B", "1.5 kB", "2.0 MB"]);
});

test("numbers are read as JSON words them and as people type them", () => {
  expect(["1e-3", "NaN", "-Infinity", "door", "", true].map(toNumber)).toEqual([0.001, NaN, -Infinity, null, null, null]);
});

test("numbers in names sort by what they are worth", () => {
  const names = ["run-10", "run-9", "Run-2", "lr-0.001", "lr-0.0003"];
  expect(names.sort(naturally)).toEqual(["lr-0.0003", "lr-0.001", "Run-2", "run-9", "run-10"]);
});

test("a parameter is found by its name, and by the end of it where only one ends so", () => {
  const run = { parameters: { "Args.lr": 0.1, "Args.seed": 1, "env.seed": 2, lr: undefined } } as unknown as Run;
  const other = { parameters: { "Args.lr": 0.1, "Args.seed": 1, "env.seed": 2 } } as unknown as Run;
  expect(["Args.lr", "lr", "seed", "env.seed", "rgs.lr", "toString"].map((name) => parameterOf(other, name))).toEqual([0.1, 0.1, undefined, 2, undefined, undefined]);
  expect(parameterOf(run, "lr")).toBe(undefined);
});
