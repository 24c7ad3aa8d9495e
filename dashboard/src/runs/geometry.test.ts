import { expect, test } from "vitest";
import { columnsIn, offsets, reveal, ROW, rowsIn } from "./geometry";

test("the rows in view are drawn, and few others", () => {
  for (const top of [0, 7, 500, 299_000, 10_000 * ROW - 600]) {
    const { start, end } = rowsIn(top, 600, 10_000);
    expect(start * ROW).toBeLessThanOrEqual(top);
    expect(end * ROW).toBeGreaterThanOrEqual(Math.min(top + 600, 10_000 * ROW));
    expect(end - start).toBeLessThan(45);
  }
  expect(rowsIn(5000, 600, 3)).toEqual({ start: 0, end: 3 });
  expect(rowsIn(9000, 600, 100).end).toBe(100);
  expect(rowsIn(0, 600, 0)).toEqual({ start: 0, end: 0 });
});

test("the columns in view are drawn, and few others", () => {
  const starts = offsets(Array.from({ length: 100 }, () => 90));
  expect(columnsIn(0, 400, starts)).toEqual({ start: 0, end: 7 });
  const { start, end } = columnsIn(4500, 400, starts);
  expect([start <= 50, end >= 55, end - start < 12]).toEqual([true, true, true]);
  expect(columnsIn(9000, 400, starts).end).toBe(100);
  expect(columnsIn(0, 400, offsets([]))).toEqual({ start: 0, end: 0 });
});

test("it scrolls only as far as it must", () => {
  expect([reveal(100, 50, 120, 140), reveal(100, 50, 90, 110), reveal(100, 50, 140, 170)]).toEqual([100, 90, 120]);
});
