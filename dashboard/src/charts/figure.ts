/** One uPlot: it draws the axes and follows the pointer; what is drawn in between is ours. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { paint, paintStrong, type Layout } from "./draw";
import { nearest, type Hit } from "./hit";
import { NOTHING, rangeOfX, rangeOfY, type Area, type Curve, type Picture } from "./picture";
import { durationText, kindOf, logTexts, logTicks, tickTexts } from "./numbers";
import { moved, padded, zoomed, type Range } from "./ranges";
import { axisOf, placeOf } from "./trace";

export interface Options {
  x: string;
  logX: boolean;
  logY: boolean;
}

export interface Listener {
  /** Somebody zooms or pans; null shows everything again. */
  onRange(range: Range | null): void;
  onHit(hit: Hit | null): void;
}

const FONT = "11px system-ui, sans-serif";
const DURATIONS = [0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000, 8640000];

const LOGARITHMIC: uPlot.Axis = {
  filter: (_plot, ticks) => logTicks(ticks),
  values: (_plot, ticks) => logTexts(ticks),
};

export class Figure {
  /** What is drawn: tests read it too. */
  picture: Picture = NOTHING;
  /** The range of x that is asked for; null is everything. */
  private range: Range | null = null;
  private rangeY: Range | null = null;
  private readonly plot: uPlot;
  private readonly strong: HTMLCanvasElement;
  private readonly colors = new Map<string, string>();
  private readonly mark: HTMLElement;
  private marked: number | null = null;
  private hit: Hit | null = null;
  private bounds: { x: Range; y: Range };

  constructor(
    private readonly root: HTMLElement,
    private readonly options: Options,
    private readonly listener: Listener,
  ) {
    this.bounds = { x: padded(null, options.logX, 0), y: padded(null, options.logY, 0) };
    this.plot = new uPlot(this.uplotOptions(), [[0, 1], [null, null]], root);
    this.strong = document.createElement("canvas");
    this.strong.className = "strong";
    this.mark = document.createElement("span");
    this.mark.className = "marked";
    this.plot.over.append(this.strong, this.mark);
    this.showMark(null);
    this.plot.over.addEventListener("wheel", this.onWheel, { passive: false });
  }

  /** Draw something else. */
  show(picture: Picture, range: Range | null): void {
    this.picture = picture;
    this.range = range;
    this.draw();
  }

  /** Draw a line at a value of x, which is no part of the picture; null draws none. */
  showMark(value: number | null): void {
    this.marked = value;
    this.placeMark();
  }

  private placeMark = (): void => {
    if (this.marked === null) {
      this.mark.hidden = true;
      return;
    }
    const { left, width, ratio, across } = this.layout;
    const place = placeOf(across, this.marked) - left;
    this.mark.hidden = !(place >= 0 && place <= width);
    this.mark.style.transform = `translateX(${place / ratio}px)`;
  };

  resize(width: number, height: number): void {
    if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
  }

  /** Draw again, in the colors that the page has now. */
  recolor(): void {
    this.colors.clear();
    this.plot.redraw(false, true);
  }

  /** A color of the page; asked for once, since each question makes the browser work out all styles. */
  private color(name: string): string {
    const known = this.colors.get(name);
    if (known !== undefined) return known;
    const found = getComputedStyle(this.root).getPropertyValue(name);
    this.colors.set(name, found);
    return found;
  }

  destroy(): void {
    this.plot.destroy();
  }

  /** The ranges that are seen. */
  get seen(): { x: Range; y: Range } {
    return this.bounds;
  }

  private draw(): void {
    const { logX, logY } = this.options;
    const x = this.range ?? padded(rangeOfX(this.picture, logX), logX, 0);
    const y = this.rangeY ?? padded(rangeOfY(this.picture, logY, x), logY, 0.06);
    this.bounds = { x, y };
    this.plot.batch(() => {
      this.plot.setScale("x", { min: x[0], max: x[1] });
      this.plot.setScale("y", { min: y[0], max: y[1] });
      this.plot.redraw(false, true);
    });
  }

  private get isLogX(): boolean {
    return this.options.logX;
  }

  /** Where values are, in pixels of the canvas. */
  get layout(): Layout {
    const { left, top, width, height } = this.plot.bbox;
    const { x, y } = this.bounds;
    const across = axisOf(x, this.options.logX, left, left + width);
    const up = axisOf(y, this.options.logY, top + height, top);
    return { left, top, width, height, ratio: uPlot.pxRatio, range: x, across, up };
  }

  /** Draw a line strong, above all others; null draws none. */
  emphasize(item: Curve | Area | null): void {
    const { width, height } = this.plot.bbox;
    if (!item && this.strong.width === 0) return;
    this.strong.width = item ? width : 0;
    this.strong.height = item ? height : 0;
    const ctx = this.strong.getContext("2d");
    if (!item || !ctx) return;
    const layout = this.layout;
    ctx.translate(-layout.left, -layout.top);
    paintStrong(ctx, item, layout);
  }

  /** Draw the line of a run strong, if it is here. */
  emphasizeRun(run: string | null): void {
    const mine = run === null ? undefined : this.picture.curves.find((curve) => curve.run === run);
    this.emphasize(mine ?? null);
  }

  zoom(factor: number, place = 0.5): void {
    this.listener.onRange(zoomed(this.bounds.x, factor, place, this.isLogX));
  }

  pan(part: number): void {
    this.listener.onRange(moved(this.bounds.x, part, this.isLogX));
  }

  panY(part: number): void {
    this.rangeY = moved(this.bounds.y, part, this.options.logY);
    this.draw();
  }

  reset(): void {
    this.rangeY = null;
    this.listener.onRange(null);
    this.draw();
  }

  /** Take in a box that was drawn with the pointer, in pixels of the page. */
  private onSelect = (): void => {
    const { left, top, width, height } = this.plot.select;
    const { over } = this.plot;
    this.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    const valueX = (at: number) => this.plot.posToVal(at, "x");
    const valueY = (at: number) => this.plot.posToVal(at, "y");
    if (height > 3 && height < over.clientHeight - 1) this.rangeY = [valueY(top + height), valueY(top)];
    if (width > 3 && width < over.clientWidth - 1) this.listener.onRange([valueX(left), valueX(left + width)]);
    else this.draw();
  };

  /** The wheel zooms where the plot has the focus, or with Ctrl: else it scrolls the page. */
  private onWheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.metaKey && !this.root.contains(document.activeElement)) return;
    event.preventDefault();
    this.zoom(Math.pow(1.0015, Math.max(-300, Math.min(300, event.deltaY))), event.offsetX / this.plot.over.clientWidth);
  };

  private panByDrag = (event: MouseEvent): void => {
    const begun = { x: event.clientX, y: event.clientY, bounds: this.bounds };
    const { clientWidth, clientHeight } = this.plot.over;
    const move = ({ clientX, clientY }: MouseEvent) => {
      const { x, y } = begun.bounds;
      if (this.rangeY) this.rangeY = moved(y, (clientY - begun.y) / clientHeight, this.options.logY);
      this.listener.onRange(moved(x, (begun.x - clientX) / clientWidth, this.isLogX));
    };
    const end = () => {
      removeEventListener("mousemove", move);
      removeEventListener("mouseup", end);
    };
    addEventListener("mousemove", move);
    addEventListener("mouseup", end);
  };

  private onCursor = (): void => {
    const { left = -1, top = -1 } = this.plot.cursor;
    const { left: edge, top: ceiling } = this.plot.bbox;
    const at = (place: number, offset: number) => place * uPlot.pxRatio + offset;
    const hit = left < 0 ? null : nearest(this.picture, this.layout, at(left, edge), at(top, ceiling));
    if (hit === null && this.hit === null) return;
    this.hit = hit;
    this.listener.onHit(hit);
  };

  private uplotOptions(): uPlot.Options {
    const { logX, logY, x } = this.options;
    const distr = (isLog: boolean) => (isLog ? { distr: 3 as const, log: 10 as const } : {});
    return {
      width: Math.max(80, this.root.clientWidth),
      height: Math.max(60, this.root.clientHeight),
      legend: { show: false },
      padding: [8, 12, 0, 0],
      scales: {
        x: { time: kindOf(x) === "time", auto: false, range: () => this.bounds.x, ...distr(logX) },
        y: { auto: false, range: () => this.bounds.y, ...distr(logY) },
      },
      series: [{}, { scale: "y", auto: false, show: true, points: { show: false } }],
      axes: [this.axisX(), this.axisY()],
      cursor: {
        points: { show: false },
        y: false,
        drag: { x: true, y: true, uni: 30, dist: 4, setScale: false },
        bind: {
          mousedown: (_plot, _target, handle) => (event) => (event.shiftKey ? (this.panByDrag(event), null) : handle(event)),
          dblclick: () => () => (this.reset(), null),
        },
      },
      hooks: { draw: [(plot) => paint(plot.ctx, this.picture, this.layout), () => this.placeMark()], setSelect: [this.onSelect], setCursor: [this.onCursor] },
    };
  }

  private look(): Pick<uPlot.Axis, "font" | "stroke" | "grid" | "ticks"> {
    const color = (name: string) => () => this.color(name);
    return {
      font: FONT,
      stroke: color("--soft"),
      grid: { stroke: color("--grid"), width: 1 },
      ticks: { stroke: color("--grid"), width: 1, size: 4 },
    };
  }

  private axisX(): uPlot.Axis {
    const kind = kindOf(this.options.x);
    const base = { ...this.look(), size: 26, gap: 3 };
    if (kind === "time") return { ...base, size: 38 };
    if (this.options.logX) return { ...base, ...LOGARITHMIC };
    if (kind === "duration") return { ...base, incrs: DURATIONS, values: (_plot, ticks) => ticks.map(durationText) };
    return { ...base, values: (_plot, ticks) => tickTexts(ticks) };
  }

  private axisY(): uPlot.Axis {
    const base = { ...this.look(), size: 54, gap: 4 };
    return this.options.logY ? { ...base, ...LOGARITHMIC } : { ...base, values: (_plot, ticks) => tickTexts(ticks) };
  }
}
