import { expect, test } from "vitest";
import { globOf, isOn, keyFrom, numberIn, one, parseFields, wordIn } from "./spec";

test("lines of a block are names with values, lists by commas, brackets or dashes", () => {
  const fields = parseFields("chart", '# a comment\nkeys: [loss, "a, b"]\nRuns:\n  - seed-*\n  - /other\ntitle: One, two: three\nlogy: yes\n');
  expect(fields.get("keys")).toEqual(["loss", "a, b"]);
  expect(fields.get("runs")).toEqual(["seed-*", "/other"]);
  expect(one(fields, "title")).toBe("One, two: three");
  expect(isOn(fields, "logy")).toBe(true);
  expect(isOn(fields, "logx")).toBe(false);
});

test("bare words are what a block is about, also with a slash or a colon in them", () => {
  expect(parseFields("chart", "train/loss, acc").get("keys")).toEqual(["train/loss", "acc"]);
  expect(parseFields("image", "figures/a:b.png").get("keys")).toEqual(["figures/a:b.png"]);
  expect(parseFields("value", "loss").get("key")).toEqual(["loss"]);
  expect(parseFields("table", "")).toEqual(new Map());
});

test("a name that is none, a number that is none, and a word that is none are told", () => {
  expect(() => parseFields("chart", "kyes: loss")).toThrow(/A chart has no “kyes”. It has: keys, runs/);
  const fields = parseFields("chart", "smooth: 2\nmode: dots\nlimit: x");
  expect(() => numberIn(fields, "smooth", 0, 1)).toThrow(/from 0 to 1, and not “2”/);
  expect(() => numberIn(fields, "limit", 1, 9)).toThrow(/not “x”/);
  expect(() => wordIn(fields, "mode", ["auto", "lines"], "auto")).toThrow(/one of auto, lines, and not “dots”/);
  expect(numberIn(fields, "height", 1, 9)).toBeUndefined();
});

test("keys begin in the folder of the report, or at the top", () => {
  expect(keyFrom("me/run", "a/b.png")).toBe("me/run/a/b.png");
  expect(keyFrom("me/run", "../other/./x")).toBe("me/other/x");
  expect(keyFrom("me/run", "/top")).toBe("top");
  expect(keyFrom("me/run", ".")).toBe("me/run");
  expect(keyFrom("", "../../x")).toBe("x");
});

test("globs match within names, and over folders with two stars", () => {
  expect(globOf("me/seed-*").test("me/seed-1")).toBe(true);
  expect(globOf("me/seed-*").test("me/seed-1/x")).toBe(false);
  expect(globOf("**/seed-?").test("a/b/seed-1")).toBe(true);
  expect(globOf("**/seed-?").test("seed-1")).toBe(true);
  expect(globOf("a.b+c").test("aXbbc")).toBe(false);
});
