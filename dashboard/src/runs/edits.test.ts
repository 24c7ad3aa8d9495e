import { expect, test, vi } from "vitest";
import type { Run } from "../types";

vi.stubGlobal("location", { hash: "" });
vi.stubGlobal("addEventListener", () => undefined);

const { newTags, parseTags, tagsIn } = await import("./edits");

function tagged(...tags: string[]): Run {
  return { run: "a", status: null, alive: null, start: null, updated: 0, duration: null, rows: 0, size: 0, tags, note: "", parameters: {}, metrics: {} };
}

test("tags are what stands between commas, each once", () => {
  expect(parseTags(" best, paper,,best , two words")).toEqual(["best", "paper", "two words"]);
});

test("the tags of many runs are those that all have, and their own stay when these are replaced", () => {
  const [one, two] = [tagged("best", "a"), tagged("b", "best")];
  expect(tagsIn([one, two])).toEqual(["best"]);
  expect([one, two].map((run) => newTags(run, ["best"], ["new", "a"]))).toEqual([["a", "new"], ["b", "new", "a"]]);
});
