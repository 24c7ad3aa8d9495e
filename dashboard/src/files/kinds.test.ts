import { expect, test } from "vitest";
import { arrayHead, folderOf, isPicture, kindOf, literal, nameOf } from "./kinds";

test.each([
  ["run/images/face/0004.png", "image"],
  ["run/curve.SVG", "drawing"],
  ["videos/walk.mp4", "video"],
  ["outputs.log", "text"],
  ["README.md", "markdown"],
  ["index.diff", "diff"],
  ["states.npy", "array"],
  ["metrics.pkl", "records"],
  ["metrics.pkl/x", "unknown"],
  [".png", "unknown"],
  ["0.5", "unknown"],
  ["Makefile", "unknown"],
])("%s is shown as %s", (key, kind) => {
  expect(kindOf(key)).toBe(kind);
});

test("pictures are those that a browser draws", () => {
  expect(["a.png", "a.svg", "a.mp4", "a.pdf"].filter(isPicture)).toEqual(["a.png", "a.svg"]);
});

test("names and folders", () => {
  expect([nameOf("a/b/c.txt"), nameOf("a/b/"), nameOf("c")]).toEqual(["c.txt", "b", "c"]);
  expect([folderOf("a/b/c.txt"), folderOf("a/b/"), folderOf("c")]).toEqual(["a/b/", "a/", ""]);
});

test("a key is no glob", () => {
  expect(literal("a[1]*?.txt")).toBe("a[[]1][*][?].txt");
});

test("an array tells its dtype and shape", () => {
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n";
  const bytes = new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, head.length, 0, ...new TextEncoder().encode(head)]);
  expect(arrayHead(bytes)).toBe("dtype <f4, shape (3, 4)");
  expect(arrayHead(new Uint8Array(20))).toBeNull();
});
