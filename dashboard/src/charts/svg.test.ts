import { expect, test } from "vitest";
import type { Curve } from "./picture";
import { chartGroup, escaped, heightOf, svgDocument, type Sheet } from "./svg";
import { ticksOf } from "./ticks";

const colors = { text: "#111", soft: "#555", grid: "#ddd", card: "#fff" };

function curve(label: string, ys: number[]): Curve {
  return { run: label, key: "loss", label, color: "hsl(1 70% 42%)", dash: [8, 4], xs: Float64Array.from(ys.keys()), ys: Float64Array.from(ys), smooth: null };
}

function sheet(curves: Curve[], more: Partial<Sheet> = {}): Sheet {
  return { title: "loss", picture: { curves, areas: [] }, x: "_step", xName: "step", logX: false, logY: false, range: null, width: 400, height: 200, ...more };
}

test("a chart has its lines, axes, and a legend with the dashes of the lines", () => {
  const text = chartGroup(sheet([curve("a", [0, 1, 2]), curve("b", [2, 1, 0])]), colors, "clip");
  expect(text.match(/stroke-dasharray="8 4"/g)).toHaveLength(4);
  expect(text).toContain(">a</text>");
  expect(text).toContain(">step</text>");
  expect(text).toContain(">2</text>");
});

test("NaN and infinities are marked at the edges", () => {
  const text = chartGroup(sheet([curve("a", [0, NaN, Infinity, 1])]), colors, "clip");
  expect(text).toContain("m-3.5 -3.5l7 7m0 -7l-7 7");
  expect(text).toContain("m0 -3.5l3.5 7h-7z");
});

test("a band marks what is no number in one of its runs", () => {
  const of = (...values: number[]) => Float64Array.from(values);
  const [xs, mean] = [of(0, 1, 2), of(1, 2, 3)];
  const area = { name: "all", key: "loss", label: "mean", color: "red", dash: [], runs: 2, xs, mean, low: mean, high: mean, min: mean, max: mean, oddXs: of(1, 2), oddYs: of(NaN, Infinity) };
  const text = chartGroup(sheet([], { picture: { curves: [], areas: [area] } }), colors, "clip");
  expect(text).toContain("m-3.5 -3.5l7 7m0 -7l-7 7");
  expect(text).toContain("m0 -3.5l3.5 7h-7z");
});

test("names cannot leave their place", () => {
  const name = '<script>alert(1)</script>&"\u0001';
  const text = svgDocument(chartGroup(sheet([curve(name, [1, 2])], { title: name }), colors, "clip"), 400, 300, colors);
  expect(text).not.toContain("<script");
  expect(escaped(name)).toBe("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;\ufffd");
});

test("the legend takes the rows that it needs, and says what it leaves out", () => {
  const many = Array.from({ length: 40 }, (_, at) => curve(`run number ${at}`, [1]));
  expect(heightOf(sheet(many))).toBeGreaterThan(heightOf(sheet(many.slice(0, 2))));
  expect(chartGroup(sheet(many), colors, "clip")).toContain("and 10 more");
});

test("ticks of axes", () => {
  const texts = (...args: Parameters<typeof ticksOf>) => ticksOf(...args).map(({ text }) => text);
  expect(texts([0, 1_000_000], "number", false, 4)).toEqual(["0", "0.25M", "0.5M", "0.75M", "1M"]);
  expect(texts([0, 7200], "duration", false, 4)).toEqual(["0s", "30m", "1h", "1h 30m", "2h"]);
  expect(texts([0.01, 10], "number", true, 4).filter(Boolean)).toEqual(["0.01", "0.1", "1", "10"]);
  expect(ticksOf([1.79e9, 1.79e9 + 3600], "time", false, 4).length).toBeGreaterThan(2);
});
