import { expect, test } from "vitest";
import { durationText, logTexts, logTicks, placeText, tickTexts, valueText } from "./numbers";

test.each([
  [0, "0"],
  [0.1234567, "0.123457"],
  [-1.5, "−1.5"],
  [1234567, "1\u202f234\u202f567"],
  [0.00001234, "1.234e−5"],
  [1.5e12 + 0.5, "1.5e12"],
  [NaN, "NaN"],
  [Infinity, "∞"],
  [-Infinity, "−∞"],
])("a value is read with six digits, and whole where it is whole: %d", (value, expected) => {
  expect(valueText(value)).toBe(expected);
});

test.each([
  [[0, 2000, 4000], ["0", "2k", "4k"]],
  [[4250, 4500, 4750], ["4.25k", "4.5k", "4.75k"]],
  [[700120, 700122, 700124], ["700120", "700122", "700124"]],
  [[0, 0.5, 1], ["0", "0.5", "1"]],
  [[0, 250000, 500000, 750000, 1000000], ["0", "0.25M", "0.5M", "0.75M", "1M"]],
  [[-0.0002, 0, 0.0002], ["−2e−4", "0", "2e−4"]],
  [[5], ["5"]],
  [[], []],
])("ticks are as short as tells them apart: %j", (ticks, expected) => {
  expect(tickTexts(ticks)).toEqual(expected);
});

test("a logarithmic axis has labels at powers of ten, and between them where it has less than two", () => {
  expect(logTicks([0.00035, 0.001, 0.002, 0.01, 0.02])).toEqual([null, 0.001, null, 0.01, null]);
  expect(logTicks([0.5, 0.9, 1, 2, 3, 5])).toEqual([0.5, null, 1, 2, null, 5]);
  expect(logTicks([0.25, 0.3, 0.4])).toEqual([null, 0.3, 0.4]);
  expect(logTexts([null, 0.001, 1, 1000, 1e5, 1e-6])).toEqual(["", "0.001", "1", "1000", "1e5", "1e−6"]);
});

test("durations have their two greatest parts", () => {
  expect([0, 1.5, 59, 60, 3725, 90000, -5].map(durationText)).toEqual(["0s", "1.5s", "59s", "1m", "1h 2m", "1d 1h", "−5s"]);
  expect(placeText(7200, "duration")).toBe("2h");
});
