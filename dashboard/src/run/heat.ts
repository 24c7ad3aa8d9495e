/** Histograms over steps as a picture: for each step a column, for each range of values how many are in it. Pure. */

/** A histogram as the server tells it. */
export interface Histogram {
  step: number | null;
  counts: number[];
  edges: number[];
  nan?: number;
  inf?: number;
}

export interface HistogramSeries {
  name: string;
  /** How many the file has; fewer may be here. */
  count: number;
  histograms: Histogram[];
}

export interface Heat {
  columns: number;
  rows: number;
  /** The range of values that the rows cut into even parts, the lowest first. */
  low: number;
  high: number;
  /** Column by column, from 0 to 1: the part of the fullest cell of the same column. */
  cells: Float32Array;
}

/** The range of values of some histograms; null where all are empty. */
export function rangeOf(histograms: readonly Histogram[]): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const { edges } of histograms) {
    low = Math.min(low, edges[0] ?? Infinity);
    high = Math.max(high, edges.at(-1) ?? -Infinity);
  }
  return low < high ? [low, high] : null;
}

/** Spread each histogram over even rows: a bin gives each row the part of its count that lies in it. */
export function heatOf(histograms: readonly Histogram[], rows = 80): Heat | null {
  const range = rangeOf(histograms);
  if (!range) return null;
  const [low, high] = range;
  const cells = new Float32Array(histograms.length * rows);
  histograms.forEach((histogram, column) => {
    const part = cells.subarray(column * rows, (column + 1) * rows);
    spread(histogram, low, high, part);
    const most = part.reduce((a, b) => Math.max(a, b), 0);
    if (most > 0) part.forEach((value, row) => (part[row] = value / most));
  });
  return { columns: histograms.length, rows, low, high, cells };
}

function spread({ counts, edges }: Histogram, low: number, high: number, into: Float32Array): void {
  const size = high / into.length - low / into.length; // parts first: the whole may be beyond the largest number
  counts.forEach((count, at) => {
    const left = edges[at] ?? low;
    const right = edges[at + 1] ?? left;
    const first = Math.max(0, Math.floor((left - low) / size));
    const last = Math.min(into.length - 1, Math.ceil((right - low) / size) - 1);
    for (let row = first; row <= last; row++) {
      const overlap = Math.min(right, low + (row + 1) * size) - Math.max(left, low + row * size);
      into[row] = (into[row] ?? 0) + (count * Math.max(0, overlap)) / (right - left);
    }
  });
}

/** How many values a histogram has, those that are no finite numbers left out. */
export function total({ counts }: Histogram): number {
  return counts.reduce((a, b) => a + b, 0);
}

/** The mean of a histogram, as if all values were in the middle of their bins; NaN for none. */
export function middle({ counts, edges }: Histogram): number {
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, count, at) => sum + (count / all) * ((edges[at] ?? 0) / 2 + (edges[at + 1] ?? 0) / 2), 0) / (all ? 1 : 0);
}
