import { expect, test } from "vitest";
import type { Line } from "../types";
import { Series, thinned } from "./thin";

function line(xs: number[], ys: number[], rows = xs.length): Line {
  return { run: "r", key: "k", x: "", n: xs.length, rows, xs: Float64Array.from(xs), ys: Float64Array.from(ys) };
}

const many = Array.from({ length: 10_000 }, (_, at) => at);

test("a spike, NaN and infinities stay, however much is left out", () => {
  const ys = Float64Array.from(many, () => 1);
  ys[7001] = 100;
  ys[7003] = -100;
  ys[5000] = NaN;
  ys[7005] = Infinity;
  const kept = thinned(Float64Array.from(many), ys, 100);
  expect(kept.length).toBeLessThan(220);
  for (const at of [0, 7001, 7003, 5000, 7005, 9999]) expect(kept).toContain(at);
  expect([...kept].sort((a, b) => a - b)).toEqual(kept);
});

test("what is few stays whole, and what is not sorted is thinned out too", () => {
  expect(thinned(Float64Array.of(1, 2, 3), Float64Array.of(1, 2, 3), 10)).toEqual([0, 1, 2]);
  const xs = Float64Array.from(many, (at) => at % 7);
  const ys = Float64Array.from(many, (at) => (at === 4321 ? 50 : 0));
  const kept = thinned(xs, ys, 50);
  expect(kept).toContain(4321);
  expect(kept.length).toBeLessThan(160);
});

test("rows are appended, those of a range only, and thinned out when there are too many", () => {
  const series = new Series(line([0, 1], [5, 6]));
  series.append(Float64Array.of(2, 3, 9), Float64Array.of(7, 8, 9), 0, 3, 1000);
  expect([...series.xs]).toEqual([0, 1, 2, 3]);
  expect([...series.ys]).toEqual([5, 6, 7, 8]);
  for (let at = 4; at < 5000; at++) series.append(Float64Array.of(at), Float64Array.of(at === 2500 ? 1000 : 0), null, null, 400);
  expect(series.xs.length).toBeLessThan(410);
  expect(Math.max(...series.ys)).toBe(1000);
  expect(series.xs.at(-1)).toBe(4999);
});

test("a run that is not there has no rows", () => {
  const { rows: _, ...missing } = { ...line([], []), missing: true };
  expect(new Series(missing as Line).rows).toBe(0);
});
