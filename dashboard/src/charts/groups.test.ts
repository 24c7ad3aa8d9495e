import { expect, test } from "vitest";
import { grouped, keyFilter } from "./groups";

test("keys are grouped by what stands before the last slash, those without one first", () => {
  const groups = grouped(["a/b/c", "a/d", "loss", "a/b/e"]);
  expect(groups.map(({ prefix, keys }) => [prefix, keys])).toEqual([
    ["", ["loss"]],
    ["a/b", ["a/b/c", "a/b/e"]],
    ["a", ["a/d"]],
  ]);
});

test("a filter is a regular expression, or looked for as it stands while it is none", () => {
  expect(["loss", "Val/loss", "acc"].filter(keyFilter("^loss|^val"))).toEqual(["loss", "Val/loss"]);
  expect(["f(x)", "g"].filter(keyFilter("f("))).toEqual(["f(x)"]);
  expect(["a", "b"].filter(keyFilter(""))).toEqual(["a", "b"]);
});
