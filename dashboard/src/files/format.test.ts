import { expect, test } from "vitest";
import { age, bytes } from "./format";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [12345, "12 kB"],
  [9_960_000, "10 MB"],
  [3e12, "3.0 TB"],
])("%d bytes are %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});

test.each([
  [0, "0 s ago"],
  [61, "1 min ago"],
  [7200, "2 h ago"],
  [3 * 86400, "3 d ago"],
  [800 * 86400, "2 y ago"],
  [-5, "0 s ago"],
])("%d seconds are %s", (seconds, text) => {
  expect(age(1000, 1000 + seconds)).toBe(text);
});
