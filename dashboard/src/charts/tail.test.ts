import { expect, test } from "vitest";
import type { Band } from "../types";
import { Tail } from "./tail";

function band(): Band {
  const of = (...values: number[]) => Float64Array.from(values);
  const [xs, mean, low, high] = [of(0, 10, 20), of(1, 2, 3), of(0, 1, 2), of(2, 3, 4)];
  return { name: "all", key: "k", x: "_step", n: 3, runs: 2, xs, mean, low, high, min: of(-1, 0, 1), max: of(3, 4, 5), odd: 0, oddXs: of(), oddYs: of() };
}

test("rows behind the end go on in bins of the same width: the mean of the runs, their spread, the extremes", () => {
  const tail = new Tail(band());
  tail.add("a", Float64Array.of(26, 28, 40), Float64Array.of(2, 4, 9), null);
  tail.add("b", Float64Array.of(30), Float64Array.of(5), null);
  const { n, xs, mean, low, high, min, max } = tail.whole();

  expect(n).toBe(5);
  expect([...xs]).toEqual([0, 10, 20, 28, 40]);
  expect([...mean].slice(3)).toEqual([4, 9]);
  expect((high[3] as number) - (low[3] as number)).toBeCloseTo(2 * Math.SQRT2);
  expect([min[3], max[3]]).toEqual([2, 5]);
});

test("what sticks out of the last bin is seen at once", () => {
  const tail = new Tail(band());
  tail.add("a", Float64Array.of(22, 3), Float64Array.of(100, 200), null);
  expect([...tail.whole().max]).toEqual([3, 4, 100]);
  expect(tail.whole().n).toBe(3);
});

test("rows beyond the part that is seen, and what is no number, change nothing", () => {
  const tail = new Tail(band());
  tail.add("a", Float64Array.of(30, 31), Float64Array.of(1, NaN), 29);
  expect(tail.whole().n).toBe(3);
});

test("a newer band takes over what is not yet in it", () => {
  const older = new Tail(band());
  older.add("a", Float64Array.of(26, 60), Float64Array.of(7, 8), null);
  const newer = new Tail({ ...band(), xs: Float64Array.of(10, 20, 30) });
  newer.goOnFrom(older, null);
  expect([...newer.whole().mean].at(-1)).toBe(8);
  expect(newer.whole().n).toBe(4);
});
