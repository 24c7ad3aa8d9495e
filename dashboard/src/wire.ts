/** Series and live messages as bytes: a length, a head in JSON, arrays of little-endian floats. Pure. */

import type { Band, Line, SeriesAnswer } from "./types";

const text = new TextDecoder();

interface Head {
  lines: Omit<Line, "xs" | "ys">[];
  bands: Omit<Band, "xs" | "mean" | "low" | "high" | "min" | "max" | "oddXs" | "oddYs">[];
  precision?: 32 | 64;
}

/** Reads arrays one after another, each beginning at a multiple of eight bytes. */
class Arrays {
  constructor(
    private readonly data: ArrayBuffer,
    private at: number,
  ) {}

  f8(n: number): Float64Array {
    const made = new Float64Array(this.data, this.at, n);
    this.at += 8 * n;
    return made;
  }

  f4(n: number): Float32Array {
    const made = new Float32Array(this.data, this.at, n);
    this.at += 8 * Math.ceil(n / 2);
    return made;
  }
}

/** Decode an answer of `POST /v1/series`, or the body of a live message of that kind. */
export function decodeSeries(data: ArrayBuffer): SeriesAnswer {
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(text.decode(new Uint8Array(data, 4, length))) as Head;
  const arrays = new Arrays(data, 8 * Math.ceil((4 + length) / 8));
  return {
    lines: head.lines.map((line) => ({
      ...line,
      xs: arrays.f8(line.n),
      ys: head.precision === 32 ? arrays.f4(line.n) : arrays.f8(line.n),
    })),
    bands: head.bands.map((band) => ({
      ...band,
      xs: arrays.f8(band.n),
      mean: arrays.f8(band.n),
      low: arrays.f8(band.n),
      high: arrays.f8(band.n),
      min: arrays.f8(band.n),
      max: arrays.f8(band.n),
      oddXs: arrays.f8(band.odd),
      oddYs: arrays.f8(band.odd),
    })),
  };
}

export type Message = { kind: "json"; value: Record<string, unknown> } | { kind: "series"; value: SeriesAnswer };

const JSON_KIND = 74;
const SERIES_KIND = 83;

/** Takes the bytes of a live stream as they come, and gives out whole messages. */
export class Messages {
  private held = new Uint8Array(0);

  *take(piece: Uint8Array): Generator<Message> {
    const data = new Uint8Array(this.held.length + piece.length);
    data.set(this.held);
    data.set(piece, this.held.length);
    const view = new DataView(data.buffer);
    let at = 0;
    while (data.length - at >= 5) {
      const length = view.getUint32(at, true);
      if (data.length - at < 5 + length) break;
      const body = data.slice(at + 5, at + 5 + length);
      at += 5 + length;
      const kind = data[at - 5 - length + 4];
      if (kind === JSON_KIND) yield { kind: "json", value: JSON.parse(text.decode(body)) as Record<string, unknown> };
      if (kind === SERIES_KIND) yield { kind: "series", value: decodeSeries(body.buffer) };
    }
    this.held = data.slice(at);
  }
}
