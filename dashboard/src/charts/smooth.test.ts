import { expect, test } from "vitest";
import { smoothed } from "./smooth";

test("a constant stays what it is from the first point on", () => {
  expect([...smoothed(Float64Array.of(0, 1, 2), Float64Array.of(3, 3, 3), 0.9)]).toEqual([3, 3, 3].map((value) => expect.closeTo(value)));
});

test("the first points are not drawn to zero", () => {
  const [first, second] = smoothed(Float64Array.of(0, 1), Float64Array.of(10, 20), 0.5);
  expect(first).toBeCloseTo(10);
  expect(second).toBeCloseTo((10 * 0.25 + 20 * 0.5) / 0.75);
});

test("NaN and infinities stay where they are, and spoil nothing else", () => {
  const result = smoothed(Float64Array.of(0, 1, 2, 3), Float64Array.of(1, NaN, Infinity, 1), 0.9);
  expect([...result]).toEqual([expect.closeTo(1), NaN, Infinity, expect.closeTo(1)]);
});

test("a greater step forgets more", () => {
  const near = smoothed(Float64Array.of(0, 1, 2), Float64Array.of(0, 0, 1), 0.9);
  const far = smoothed(Float64Array.of(0, 0.1, 2), Float64Array.of(0, 0, 1), 0.9);
  expect(far[2]).toBeGreaterThan(near[2] as number);
});

test("x that does not rise, as another metric, is smoothed by points", () => {
  expect([...smoothed(Float64Array.of(2, 1, 0), Float64Array.of(1, 1, 1), 0.5)]).toEqual([1, 1, 1]);
});
