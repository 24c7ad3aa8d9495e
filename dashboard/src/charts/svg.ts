/** A picture as SVG, with its axes and a legend: what is exported. Pure. */

import { markPlace, outline, type Layout } from "./draw";
import { kindOf } from "./numbers";
import { drawnPart, rangeOfX, rangeOfY, type Area, type Curve, type Picture } from "./picture";
import { padded, type Range } from "./ranges";
import { ticksOf } from "./ticks";
import { axisOf, oddOf, PathText, placeOf, trace } from "./trace";

export interface Sheet {
  title: string;
  picture: Picture;
  x: string;
  /** What is written at the x axis. */
  xName: string;
  logX: boolean;
  logY: boolean;
  range: Range | null;
  width: number;
  height: number;
}

export interface Colors {
  text: string;
  soft: string;
  grid: string;
  card: string;
}

const LEFT = 58;
const RIGHT = 14;
const TOP = 34;
const BOTTOM = 40;
const ROW = 18;
const LETTER = 6.4;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";
/** The legend names no more lines than this. */
const NAMED = 30;

/** The height of a chart with its legend. */
export function heightOf(sheet: Sheet): number {
  return sheet.height + ROW * legendOf(sheet).rows + 8;
}

/** A document of its own. */
export function svgDocument(inside: string, width: number, height: number, colors: Colors): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${FONT}" font-size="11"><rect width="100%" height="100%" fill="${colors.card}"/>${inside}</svg>`;
}

/** One chart, to be put into a document; `id` tells its clip from others. */
export function chartGroup(sheet: Sheet, colors: Colors, id: string): string {
  const layout = layoutOf(sheet);
  const { left, top, width, height } = layout;
  const clip = `<clipPath id="${id}"><rect x="${left}" y="${top}" width="${width}" height="${height}"/></clipPath>`;
  const title = `<text x="${LEFT}" y="21" font-size="13" font-weight="600" fill="${colors.text}">${escaped(sheet.title)}</text>`;
  return `${clip}${title}${axes(sheet, layout, colors)}<g clip-path="url(#${id})" fill="none">${marksAndLines(sheet.picture, layout)}</g>${legend(sheet, colors)}`;
}

export function escaped(text: string): string {
  // What XML has no place for would make the whole document unreadable.
  const readable = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  return readable.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function layoutOf({ picture, logX, logY, range, width, height }: Sheet): Layout {
  const x = range ?? padded(rangeOfX(picture, logX), logX, 0);
  const y = padded(rangeOfY(picture, logY, x), logY, 0.06);
  const box = { left: LEFT, top: TOP, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
  return { ...box, ratio: 1, range: x, across: axisOf(x, logX, box.left, box.left + box.width), up: axisOf(y, logY, box.top + box.height, box.top) };
}

function axes(sheet: Sheet, layout: Layout, colors: Colors): string {
  const { left, top, width, height, range } = layout;
  const bottom = top + height;
  const low = valueOf(layout, bottom);
  const across = ticksOf(range, kindOf(sheet.x), sheet.logX, Math.max(2, width / 90)).map(({ value, text }) => {
    const x = round(placeOf(layout.across, value));
    return `<path d="M${x} ${top}V${bottom}" stroke="${colors.grid}"/><text x="${x}" y="${bottom + 16}" text-anchor="middle" fill="${colors.soft}">${escaped(text)}</text>`;
  });
  const up = ticksOf([low, valueOf(layout, top)], "number", sheet.logY, Math.max(2, height / 45)).map(({ value, text }) => {
    const y = round(placeOf(layout.up, value));
    return `<path d="M${left} ${y}H${left + width}" stroke="${colors.grid}"/><text x="${left - 6}" y="${y + 4}" text-anchor="end" fill="${colors.soft}">${escaped(text)}</text>`;
  });
  return `${across.join("")}${up.join("")}<text x="${left + width / 2}" y="${bottom + 32}" text-anchor="middle" fill="${colors.soft}">${escaped(sheet.xName)}</text>`;
}

function valueOf({ up }: Layout, place: number): number {
  const value = (place - up.offset) / up.scale;
  return up.isLog ? 10 ** value : value;
}

const round = (value: number) => Math.round(value * 10) / 10;

function marksAndLines({ curves, areas }: Picture, layout: Layout): string {
  const bands = areas.flatMap((area) => [band(area, area.min, area.max, 0.09, layout), band(area, area.low, area.high, 0.2, layout)]);
  const pale = curves.filter((curve) => curve.smooth).map((curve) => line(curve, curve.ys, 1, 0.28, layout));
  const lines = curves.map((curve) => line(curve, curve.smooth ?? curve.ys, 1.4, 1, layout));
  const odd = areas.map(({ color, oddXs, oddYs }) => marks({ color, xs: oddXs, ys: oddYs }, layout));
  const means = areas.map((area) => line(area, area.mean, 1.6, 1, layout));
  return [...bands, ...pale, ...lines, ...means, ...curves.map((curve) => marks(curve, layout)), ...odd].join("");
}

function line({ color, dash, xs }: Pick<Curve, "color" | "dash" | "xs">, ys: Curve["ys"], width: number, alpha: number, layout: Layout): string {
  const pen = new PathText();
  trace(pen, xs, ys, layout.across, layout.up, ...drawnPart(xs, layout.range));
  const dashes = dash.length > 0 ? ` stroke-dasharray="${dash.join(" ")}"` : "";
  return `<path d="${pen}" stroke="${color}" stroke-width="${width}" stroke-opacity="${alpha}" stroke-linejoin="round" stroke-linecap="round"${dashes}/>`;
}

function band(area: Area, low: Float64Array, high: Float64Array, alpha: number, layout: Layout): string {
  const pen = new PathText();
  outline(pen, area.xs, low, high, layout);
  return `<path d="${pen}" fill="${area.color}" fill-opacity="${alpha}"/>`;
}

function marks({ color, xs, ys }: Pick<Curve, "color" | "xs" | "ys">, layout: Layout): string {
  const [from, to] = drawnPart(xs, layout.range);
  const made: string[] = [];
  for (let at = from; at < to; at++) {
    const odd = oddOf(ys[at] as number, layout.up.isLog);
    if (!odd) continue;
    const place = `M${round(placeOf(layout.across, xs[at] as number))} ${markPlace(odd, layout)}`;
    if (odd === "nan") made.push(`<path d="${place}m-3.5 -3.5l7 7m0 -7l-7 7" stroke="${color}" stroke-width="1.5"/>`);
    else made.push(`<path d="${place}${odd === "high" ? "m0 -3.5l3.5 7h-7z" : "m0 3.5l3.5 -7h-7z"}" fill="${color}"/>`);
  }
  return made.join("");
}

interface Name {
  label: string;
  color: string;
  dash: number[];
  x: number;
  row: number;
}

/** Names in rows as wide as the chart. */
function legendOf({ picture, width }: Sheet): { names: Name[]; rows: number } {
  const all = [...picture.areas, ...picture.curves];
  const named = all.slice(0, NAMED).map(({ label, color, dash }) => ({ label, color, dash }));
  if (all.length > NAMED) named.push({ label: `and ${all.length - NAMED} more`, color: "none", dash: [] });
  let x = LEFT;
  let row = 0;
  const names = named.map((name) => {
    const room = 34 + name.label.length * LETTER;
    if (x > LEFT && x + room > width - RIGHT) [x, row] = [LEFT, row + 1];
    const placed = { ...name, x, row };
    x += room;
    return placed;
  });
  return { names, rows: names.length > 0 ? row + 1 : 0 };
}

function legend(sheet: Sheet, colors: Colors): string {
  return legendOf(sheet)
    .names.map(({ label, color, dash, x, row }) => {
      const y = sheet.height + 10 + ROW * row;
      const dashes = dash.length > 0 ? ` stroke-dasharray="${dash.join(" ")}"` : "";
      return `<path d="M${x} ${y}h20" stroke="${color}" stroke-width="2"${dashes}/><text x="${x + 25}" y="${y + 4}" fill="${colors.text}">${escaped(label)}</text>`;
    })
    .join("");
}
