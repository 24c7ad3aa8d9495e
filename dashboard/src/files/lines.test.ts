import { expect, test } from "vitest";
import { decoded, Finder, firstLine, groups, isText, laidOut, lastLine, marked } from "./lines";

const encode = (text: string) => new TextEncoder().encode(text);

test("half a character where a text was cut is left out", () => {
  expect(decoded(encode("äb").subarray(1), true)).toBe("b");
  expect(decoded(encode("äb"), true)).toBe("äb");
  expect(decoded(encode("ab"), false)).toBe("ab");
});

test("text is told from other bytes", () => {
  expect(isText(encode("loss 0.5\nschön\n\u001b[31mred\u001b[0m"))).toBe(true);
  expect(isText(new Uint8Array([0x80, 4, 0x95, 0, 1]))).toBe(false);
  expect(isText(new Uint8Array([0xff, 0xfe, 0xfd, 0xfc]))).toBe(false);
  expect(isText(new Uint8Array())).toBe(true);
});

test("a part of a file has whole lines where it has any", () => {
  const edges = (text: string) => [firstLine(encode(text)), lastLine(encode(text))];
  expect(edges("ne\ntwo\nthr")).toEqual([3, 7]);
  expect(edges("one\n")).toEqual([0, 4]);
  expect(edges("no end")).toEqual([0, 6]);
  expect(edges("")).toEqual([0, 0]);
});

test("groups of lines are the text", () => {
  const text = Array.from({ length: 450 }, (_, at) => `line ${at}`).join("\n");
  const made = groups(text);
  expect(made.length).toBe(3);
  expect(made.join("")).toBe(text);
  expect(groups("")).toEqual([""]);
});

test("lines are found across pieces, with their numbers", () => {
  const finder = new Finder("LOSS", 2);
  const bytes = encode("begin\nloss 1\nä loss 2\nend\nloss 3");
  for (let at = 0; at < bytes.length; at += 3) finder.take(bytes.subarray(at, at + 3), at + 3 >= bytes.length);
  expect(finder.found).toEqual([
    { line: 2, text: "loss 1" },
    { line: 3, text: "ä loss 2" },
  ]);
  expect(finder.count).toBe(3);
});

test("matches are every second part", () => {
  expect(marked("Loss and loss.", "loss")).toEqual(["", "Loss", " and ", "loss", "."]);
  expect(marked("text", "")).toEqual(["text"]);
  expect(marked("İx", "x")).toEqual(["İx"]);
});

test("JSON is laid out, and what is none is left alone", () => {
  expect(laidOut('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(laidOut("{a")).toBe("{a");
});
