import { expect, test } from "vitest";
import { axisOf, oddOf, PathText, placeOf, trace, valueAt } from "./trace";

const across = axisOf([0, 100], false, 0, 100);
const up = axisOf([0, 10], false, 100, 0);

function path(xs: number[], ys: number[], axis = up): string {
  const pen = new PathText();
  trace(pen, Float64Array.from(xs), Float64Array.from(ys), across, axis);
  return String(pen);
}

test("a line is broken at NaN, and a point alone is a dot", () => {
  expect(path([0, 10, 20, 30], [0, 10, NaN, 5])).toBe("M0 100L0 100L10 0M30 50L30 50");
});

test("points within one column of pixels keep the lowest and the highest", () => {
  const xs = Array.from({ length: 1000 }, (_, at) => 50 + at / 1001);
  const ys = xs.map((_, at) => (at === 300 ? 10 : at === 700 ? 0 : 5));
  const drawn = path(xs, ys);
  expect(drawn).toContain(" 0L");
  expect(drawn).toContain(" 100L");
  expect(drawn.length).toBeLessThan(60);
});

test("a logarithmic axis leaves out what is not positive", () => {
  const log = axisOf([1, 100], true, 100, 0);
  expect(path([0, 10, 20, 30], [1, 0, -1, 10], log)).toBe("M0 100L0 100M30 50L30 50");
  expect(valueAt(log, placeOf(log, 7))).toBeCloseTo(7);
});

test("what has no place is marked", () => {
  expect([NaN, Infinity, -Infinity, 0, 1].map((y) => oddOf(y, true))).toEqual(["nan", "high", "low", "low", null]);
  expect(oddOf(0, false)).toBeNull();
});
