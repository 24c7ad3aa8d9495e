import { expect, test } from "vitest";
import { differing, matchesAll, namesOf, valueText } from "./values";

test("values are text", () => {
  expect([0.001, "door", true, null, [64, 64], { a: 1 }, undefined].map((value) => valueText(value))).toEqual(["0.001", "door", "true", "null", "[64,64]", '{"a":1}', ""]);
  expect(valueText("x".repeat(400), 10)).toBe("xxxxxxxxxx…");
});

test("words are looked for in names and values", () => {
  expect(matchesAll("LR 0.1")("Args.lr", "0.1")).toBe(true);
  expect(matchesAll("lr 0.2")("Args.lr", "0.1")).toBe(false);
});

test("parameters differ by value, by type, and by being there", () => {
  const runs = [{ lr: 1, seed: 1, name: "1", layers: [64] }, { lr: 2, seed: 1, name: 1, layers: [64] }, { lr: 1, seed: 1, name: "1", layers: [64], more: null }];
  expect([...differing(runs)]).toEqual(["lr", "more", "name"]);
  expect(namesOf(runs)).toEqual(["layers", "lr", "more", "name", "seed"]);
  expect(differing(runs.slice(0, 1)).size).toBe(0);
});
