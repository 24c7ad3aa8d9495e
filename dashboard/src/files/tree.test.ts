import { expect, test } from "vitest";
import { crumbs, grown, inView, Rows, type Listed, type Opened } from "./tree";

const folders = new Map<string, Opened>([
  ["", grown(undefined, [["a.txt", 1, 2], ["me/", 0, 3], ["you/", 0, 4]], null)],
  ["me/", grown(grown(undefined, [["me/one/", 0, 5]], "me/one/"), [["me/two.txt", 7, 6]], null)],
]);

test("folders come first, and what is in an opened one below it", () => {
  const rows = new Rows("", folders, new Set(["me/"]));
  const all = rows.slice(0, 99);
  expect(rows.count).toBe(5);
  expect(all.map((row) => [row.depth, row.name, row.isOpen])).toEqual([
    [0, "me", true],
    [1, "one", false],
    [1, "two.txt", false],
    [0, "you", false],
    [0, "a.txt", false],
  ]);
  expect(all.map((row) => `${row.place}/${row.of}`)).toEqual(["1/3", "1/2", "2/2", "2/3", "3/3"]);
  expect(["me/", "me/two.txt", "a.txt", "b"].map((key) => rows.find(key))).toEqual([0, 2, 4, -1]);
});

test("a filter leaves names that have all words, and folders that are open", () => {
  const rows = new Rows("", folders, new Set(["me/"]), "TXT two");
  expect(rows.slice(0, 99).map((row) => row.key)).toEqual(["me/", "me/two.txt"]);
  expect(new Rows("", folders, new Set(), "*").count + new Rows("", folders, new Set(), "me/").count).toBe(1);
});

test("of a folder of 100,000 files only the rows that are asked for are made", () => {
  const many = grown(undefined, Array.from({ length: 100_000 }, (_, at): Listed => [`x/${at}.png`, at, 0]), null);
  const rows = new Rows("x/", new Map([["x/", many]]), new Set());
  expect([rows.count, rows.at(77_777)?.name, rows.at(100_000)]).toEqual([100_000, "77777.png", undefined]);
});

test("only what is in view is drawn", () => {
  expect(inView(100_000, 28, 28_000, 560, 5)).toEqual([995, 1025]);
  expect(inView(3, 28, 0, 560)).toEqual([0, 3]);
  expect(inView(3, 28, 9000, 560)).toEqual([3, 3]);
});

test("the way to a key", () => {
  expect(crumbs("a/b/c.txt")).toEqual([["a", "a/"], ["b", "a/b/"], ["c.txt", "a/b/c.txt"]]);
  expect(crumbs("a/b/")).toEqual([["a", "a/"], ["b", "a/b/"]]);
  expect(crumbs("")).toEqual([]);
});
