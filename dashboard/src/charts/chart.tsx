/** A chart: which lines it has, what comes for them, and the plot that shows them. */

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Seat } from "./data";
import type { Figure } from "./figure";
import { inFrame, notInFrame } from "./frames";
import type { Picture } from "./picture";
import { Legend } from "./legend";
import { ExportMenu } from "./menu";
import { Plot } from "./plot";
import type { Range } from "./ranges";
import { kindOf } from "./numbers";
import { Composer, legendOf, titleOf, type ChartSpec } from "./compose";
import { shown } from "./shown";
import { nameOf } from "./tooltip";
import "./charts.css";

export type { ChartSpec } from "./compose";

export interface ChartProps {
  spec: ChartSpec;
  height?: number;
  /** The range of x that is seen, where it is not the chart's own affair. */
  range?: Range | null;
  onRange?: (range: Range | null) => void;
  /** What stands beside the title. */
  actions?: ComponentChildren;
  /** Whether it takes the whole width. */
  isWide?: boolean;
  /** Whether it is in view when it is made: nobody needs to find that out. */
  isFirst?: boolean;
}

/** A chart with a title. It asks for data, and draws, only while it is in view. */
export function Chart({ spec, height = 240, range, onRange, actions, isWide = false, isFirst = false }: ChartProps) {
  const [own, setOwn] = useState<Range | null>(null);
  const place = useRef<HTMLElement>(null);
  const isSeen = useInView(place, isFirst);
  const title = titleOf(spec);
  const seen = range === undefined ? own : range;
  const runs = spec.runs ?? shown.value.runs;
  return (
    <figure class={isWide ? "chart wide" : "chart"} ref={place} aria-label={title}>
      <figcaption>
        <span class="title" title={title}>
          {title}
        </span>
        <span class="gap" />
        {actions}
        <ExportMenu name={title} charts={() => [{ spec, runs, range: seen }]} />
      </figcaption>
      {hasLegend(spec, runs) && <Legend items={legendOf(spec, runs)} />}
      <div class="body" style={{ height }}>
        {isSeen && <Drawing spec={spec} height={height} range={seen} onRange={onRange ?? setOwn} />}
      </div>
    </figure>
  );
}

/** One key is told by the title, and its runs by the table; groups and several keys are named here. */
function hasLegend({ keys, groups }: ChartSpec, runs: readonly string[]): boolean {
  return runs.length > 0 && (keys.length > 1 || (groups !== undefined && groups.size > 0));
}

/** Who scrolls may come back: what has left the view is kept for so many milliseconds. */
const LEAVING = 1500;

function useInView(place: { current: Element | null }, isFirst: boolean): boolean {
  const [isSeen, see] = useState(isFirst);
  useEffect(() => {
    let timer = 0;
    const options = { rootMargin: "120px", scrollMargin: "120px" };
    const observer = new IntersectionObserver((entries) => {
      clearTimeout(timer);
      if (entries.at(-1)?.isIntersecting) see(true);
      else timer = window.setTimeout(() => see(false), LEAVING);
    }, options);
    observer.observe(place.current as Element);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, []);
  return isSeen;
}

interface DrawingProps {
  spec: ChartSpec;
  height: number;
  range: Range | null;
  onRange: (range: Range | null) => void;
}

function Drawing({ spec, height, range, onRange }: DrawingProps) {
  const [said, say] = useState<string | null>("Loading");
  const chart = useMemo(() => new Live(say), []);
  chart.set(spec, spec.runs ?? shown.value.runs, range);
  useEffect(() => () => chart.end(), []);
  const x = spec.x ?? "_step";
  const label = `${titleOf(spec)} over ${nameOf(x)}`;
  const options = { x, logX: (spec.logX ?? false) && kindOf(x) !== "time", logY: spec.logY ?? false };
  return (
    <>
      <Plot {...options} label={label} height={height} onRange={onRange} onFigure={(figure) => chart.take(figure)} />
      {said !== null && (
        <p class="note" role="status">
          {said}
        </p>
      )}
    </>
  );
}

/** Milliseconds between two questions while somebody pans or turns the wheel. */
const PAUSE = 90;

/** What lives as long as a chart is in view: its seat, and its figure. */
class Live {
  private readonly seat = new Seat(() => inFrame(this, () => this.show()));
  private readonly composer = new Composer();
  private figure: Figure | null = null;
  private timer = 0;
  private lastAsk = -Infinity;

  constructor(private readonly say: (text: string | null) => void) {}

  set(spec: ChartSpec, runs: readonly string[], range: Range | null): void {
    if (!this.composer.set(spec, runs, range)) return;
    clearTimeout(this.timer);
    const pause = this.composer.hasZoomed ? Math.max(0, this.lastAsk + PAUSE - performance.now()) : 0;
    if (pause > 0) this.timer = window.setTimeout(() => this.ask(), pause);
    else this.ask();
    inFrame(this, () => this.show());
  }

  take(figure: Figure | null): void {
    this.figure = figure;
    this.show(); // in the frame in which it was made: the first chart does not wait until all others are made
  }

  end(): void {
    clearTimeout(this.timer);
    notInFrame(this);
    this.seat.leave();
  }

  private ask(): void {
    this.lastAsk = performance.now();
    this.seat.ask(this.composer.want());
  }

  /** Draw, and say how many points that were. */
  private show(): number {
    if (!this.figure) return 0;
    if (this.composer.findStepless(this.seat)) this.ask();
    const picture: Picture = this.composer.picture(this.seat);
    this.figure.show(picture, this.composer.range);
    this.say(this.seat.fault ?? this.composer.note(picture, this.seat.isWaiting));
    return picture.curves.reduce((sum, { xs, smooth }) => sum + (smooth ? 2 : 1) * xs.length, 500);
  }
}
