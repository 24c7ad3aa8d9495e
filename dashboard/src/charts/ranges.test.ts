import { expect, test } from "vitest";
import { Extent, isSorted, moved, padded, within, zoomed } from "./ranges";

test("an extent is of finite values, and on a logarithmic axis of positive ones", () => {
  const values = Float64Array.of(NaN, -1, 0, 3, Infinity, -Infinity);
  const all = new Extent(false);
  all.takeAll(values);
  const positive = new Extent(true);
  positive.takeAll(values);
  expect(all.range).toEqual([-1, 3]);
  expect(positive.range).toEqual([3, 3]);
  expect(new Extent(false).range).toBeNull();
});

test("what is within a range has one neighbor at each side, so that lines go to the edge", () => {
  const xs = Float64Array.of(0, 1, 2, 2, 3, 4);
  expect(within(xs, [1.5, 2])).toEqual([1, 5]);
  expect(within(xs, [-5, 9])).toEqual([0, 6]);
  expect(within(xs, [2.1, 2.2])).toEqual([3, 5]);
  expect(within(new Float64Array(0), [0, 1])).toEqual([0, 0]);
});

test("zooming keeps a place where it is, on a logarithmic axis too", () => {
  expect(zoomed([0, 10], 0.5, 0.5, false)).toEqual([2.5, 7.5]);
  expect(zoomed([0, 10], 0.5, 0, false)).toEqual([0, 5]);
  const [low, high] = zoomed([1, 10000], 0.5, 0.5, true);
  expect(low).toBeCloseTo(10);
  expect(high).toBeCloseTo(1000);
});

test("one can move, and not zoom until nothing is left", () => {
  expect(moved([0, 10], 0.2, false)).toEqual([2, 12]);
  let range: [number, number] = [1e6, 1e6 + 1];
  for (let times = 0; times < 200; times++) range = zoomed(range, 0.5, 0.5, false);
  expect(range[0]).toBeLessThan(range[1]);
});

test("a range that is drawn is never empty", () => {
  expect(padded(null, false, 0.1)).toEqual([0, 1]);
  expect(padded([5, 5], false, 0.1)).toEqual([4.5, 5.5]);
  expect(padded([0, 0], false, 0.1)).toEqual([-1, 1]);
  expect(padded([2, 2], true, 0)).toEqual([1, 4]);
});

test("order is told", () => {
  expect(isSorted(Float64Array.of(1, 1, 2))).toBe(true);
  expect(isSorted(Float64Array.of(1, 0))).toBe(false);
});
