import { expect, test } from "vitest";
import { heatOf, middle, rangeOf, total, type Histogram } from "./heat";

const one = (counts: number[], edges: number[]): Histogram => ({ step: 0, counts, edges });

test("bins are spread over rows, none of them lost", () => {
  const heat = heatOf([one([4, 2], [0, 1, 2]), one([1], [0, 4]), one([], [])], 4);
  expect([heat?.columns, heat?.low, heat?.high]).toEqual([3, 0, 4]);
  expect([...(heat?.cells ?? [])]).toEqual([1, 0.5, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
});

test("a narrow bin is seen in its row", () => {
  const heat = heatOf([one([10], [0.1, 0.2]), one([1], [0, 100])], 10);
  expect(heat?.cells[0]).toBe(1);
});

test("the largest numbers there are have a range", () => {
  const heat = heatOf([one([1, 1], [-1.7e308, 0, 1.7e308])], 4);
  expect([...(heat?.cells ?? [])].every((cell) => Number.isFinite(cell))).toBe(true);
});

test("empty histograms have none", () => {
  expect(rangeOf([one([], [])])).toBeNull();
  expect(heatOf([])).toBeNull();
});

test("what a histogram says of its values", () => {
  expect(total(one([1, 3], [0, 1, 2]))).toBe(4);
  expect(middle(one([1, 3], [0, 1, 2]))).toBe(1.25);
  expect(middle(one([], []))).toBeNaN();
});
