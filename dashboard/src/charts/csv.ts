/** The points of lines as a table of text: RFC 4180, numbers as they are. Pure. */

import type { Floats } from "../types";

export interface CsvLine {
  run: string;
  key: string;
  xs: Floats;
  ys: Floats;
}

/** One row for each point; `x` is the name of the column. In pieces, as it may be long. */
export function* csvOf(x: string, lines: Iterable<CsvLine>): Generator<string> {
  yield `run,metric,${quoted(x)},value\r\n`;
  for (const { run, key, xs, ys } of lines) {
    const head = `${quoted(run)},${quoted(key)},`;
    let piece: string[] = [];
    for (let at = 0; at < xs.length; at++) {
      piece.push(`${head}${numberText(xs[at] as number)},${numberText(ys[at] as number)}\r\n`);
      if (piece.length < PIECE) continue;
      yield piece.join("");
      piece = [];
    }
    yield piece.join("");
  }
}

const PIECE = 20_000;

/** As programs read it: `inf`, not `Infinity`. */
function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** A text that begins like a formula is no number: a spreadsheet would work it out. */
function quoted(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
