import { expect, test } from "vitest";
import { diffLines, folded, type Line } from "./diff";

const signs = { same: " ", removed: "-", added: "+" };
const told = (lines: Line[]) => lines.map(({ kind, text }) => signs[kind] + text);
const side = (lines: Line[], which: "left" | "right") => lines.filter((line) => line[which] !== null);

test("what differs is told line by line", () => {
  expect(told(diffLines("a\nb\nc\n", "a\nx\nc\n"))).toEqual([" a", "-b", "+x", " c"]);
  expect(told(diffLines("", "a\n"))).toEqual(["+a"]);
  expect(told(diffLines("a\nb", "a\nb"))).toEqual([" a", " b"]);
  expect(told(diffLines("a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc"))).toEqual(["-a", "-b", " c", "+b", " a", " b", "-b", " a", "+c"]);
});

test("lines have their numbers", () => {
  const lines = diffLines("a\nb\nc", "a\nc\nd");
  expect(lines.map(({ left, right }) => [left, right])).toEqual([[1, 1], [2, null], [3, 2], [null, 3]]);
});

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}

test("both texts are in any difference, and it is as short as it can be", () => {
  const next = random(7);
  for (let round = 0; round < 300; round++) {
    const made = () => Array.from({ length: Math.floor(next() * 12) }, () => "abcd"[Math.floor(next() * 4)] ?? "");
    const [a, b] = [made(), made()];
    const lines = diffLines(a.join("\n"), b.join("\n"));
    expect(side(lines, "left").map(({ text }) => text)).toEqual(a);
    expect(side(lines, "right").map(({ text }) => text)).toEqual(b);
    expect(side(lines, "left").map(({ left }) => left)).toEqual(a.map((_, at) => at + 1));
    expect(lines.filter(({ kind }) => kind !== "same").length).toBe(a.length + b.length - 2 * common(a, b));
  }
});

/** The length of the longest common part of two lists, by the table that everybody knows. */
function common(a: string[], b: string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (x: number, y: number) => table[x]?.[y] ?? 0;
  a.forEach((one, x) => b.forEach((other, y) => ((table[x + 1] as number[])[y + 1] = one === other ? at(x, y) + 1 : Math.max(at(x, y + 1), at(x + 1, y)))));
  return at(a.length, b.length);
}

test("texts that have nothing in common are told as replaced", () => {
  const left = Array.from({ length: 3000 }, (_, at) => `left ${at}`);
  const right = Array.from({ length: 3000 }, (_, at) => `right ${at}`);
  const lines = diffLines(["a", ...left, "z"].join("\n"), ["a", ...right, "z"].join("\n"), 50);
  expect(lines.length).toBe(6002);
  expect([lines[0]?.kind, lines[1]?.kind, lines[3001]?.kind, lines[6001]?.kind]).toEqual(["same", "removed", "added", "same"]);
});

test("lines that are the same are folded", () => {
  const many = Array.from({ length: 20 }, (_, at) => String(at));
  const shown = folded(diffLines(many.join("\n"), many.map((line) => (line === "10" ? "ten" : line)).join("\n")), 2);
  expect(shown.map((line) => (line.kind === "gap" ? `(${line.count})` : signs[line.kind] + line.text))).toEqual(["(8)", " 8", " 9", "-10", "+ten", " 11", " 12", "(7)"]);
});
