/** Histograms: all steps as a map, and the one of the cursor as bars. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatCount } from "../runs/values";
import { theme } from "../theme";
import { placeAt } from "./evidence";
import { heatOf, middle, total, type Heat, type Histogram, type HistogramSeries } from "./heat";

const WIDTH = 320;
const HEIGHT = 110;

export function Histograms({ series, step }: { series: HistogramSeries; step: number }) {
  const heat = useMemo(() => heatOf(series.histograms), [series]);
  const steps = useMemo(() => series.histograms.map((one, at) => one.step ?? at), [series]);
  const at = placeAt(steps, step);
  const histogram = series.histograms[at];
  if (!histogram) return null;
  const { nan = 0, inf = 0 } = histogram;
  const odd = [nan && `${formatCount(nan)} NaN`, inf && `${formatCount(inf)} infinite`].filter(Boolean).join(", ");
  return (
    <article class="card histogram" aria-label={series.name}>
      <header>
        <span class="title" title={series.name}>
          {series.name}
        </span>
        <span class="gap" />
        <span class="soft">
          step {formatCount(steps[at])} · {formatCount(series.count)} {series.count === 1 ? "step" : "steps"}
        </span>
      </header>
      {heat && <HeatMap heat={heat} at={at} name={series.name} steps={steps} />}
      <Bars histogram={histogram} name={series.name} />
      <p class="soft">
        {formatCount(total(histogram))} values{histogram.counts.length > 0 && `, mean about ${short(middle(histogram))}`}
        {odd && `, ${odd}`}
      </p>
    </article>
  );
}

function short(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/** Steps from left to right, values from below: the darker, the more values. */
function HeatMap({ heat, at, name, steps }: { heat: Heat; at: number; name: string; steps: number[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colors = theme.value;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, heat);
  }, [heat, colors]);
  const about = `${name} over steps ${steps[0]} to ${steps.at(-1)}: values from ${short(heat.low)} to ${short(heat.high)}`;
  return (
    <div class="heat">
      <span class="scale" aria-hidden="true">
        <span>{short(heat.high)}</span>
        <span>{short(heat.low)}</span>
      </span>
      <div class="map">
        <canvas ref={canvas} width={heat.columns} height={heat.rows} role="img" aria-label={about} />
        <span class="cursor" style={{ left: `${(100 * (at + 0.5)) / heat.columns}%` }} />
      </div>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, { columns, rows, cells }: Heat): void {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const probe = getComputedStyle(canvas);
  const [red = 0, green = 0, blue = 0] = (probe.color.match(/\d+(\.\d+)?/g) ?? []).map(Number);
  const image = pen.createImageData(columns, rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const value = Math.sqrt(cells[column * rows + row] ?? 0); // a root, so that rare values are seen
      image.data.set([red, green, blue, Math.round(255 * value)], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  pen.putImageData(image, 0, 0);
}

function Bars({ histogram: { counts, edges }, name }: { histogram: Histogram; name: string }) {
  const low = edges[0] ?? 0;
  const high = edges.at(-1) ?? 1;
  // Bins of other widths than their neighbors are told by area, as a histogram is.
  const density = counts.map((count, at) => count / ((edges[at + 1] ?? 1) - (edges[at] ?? 0)));
  const most = Math.max(...density, Number.MIN_VALUE);
  const x = (value: number) => (WIDTH * (value - low)) / (high - low || 1);
  return (
    <figure class="bars">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${name}: ${counts.length} bins from ${short(low)} to ${short(high)}`}>
        {density.map((value, at) => {
          const left = x(edges[at] ?? 0);
          const height = (HEIGHT * value) / most;
          return <rect key={at} x={left} y={HEIGHT - height} width={Math.max(0.6, x(edges[at + 1] ?? 0) - left - 0.6)} height={height} />;
        })}
      </svg>
      <figcaption class="soft">
        <span>{short(low)}</span>
        <span>{short(high)}</span>
      </figcaption>
    </figure>
  );
}
