/** A plot that can be pointed at, zoomed and panned, with the mouse or the keyboard. */

import { effect } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { pointed } from "../state";
import { theme } from "../theme";
import { Figure, type Options } from "./figure";
import { inFrame, notInFrame } from "./frames";
import { marked } from "./marked";
import type { Hit } from "./hit";
import type { Range } from "./ranges";
import { Tooltip } from "./tooltip";

export interface PlotProps extends Options {
  /** What is said of it to those who do not see it. */
  label: string;
  height: number;
  onRange: (range: Range | null) => void;
  /** The figure, once it is there; null when it is gone. */
  onFigure: (figure: Figure | null) => void;
}

/** The element of a plot: tests, and export, find the figure by it. */
export interface PlotElement extends HTMLDivElement {
  plot?: Figure;
}

export function Plot(props: PlotProps) {
  const place = useRef<PlotElement>(null);
  const figure = useRef<Figure | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [hit, setHit] = useState<Hit | null>(null);
  useLayoutEffect(() => {
    const root = place.current as PlotElement;
    let end = () => notInFrame(root);
    inFrame(root, () => {
      const made = new Figure(root, props, {
        onRange: (range) => latest.current.onRange(range),
        onHit: (now) => {
          setHit(now);
          pointed.value = now && "run" in now.item ? now.item.run : null;
        },
      });
      figure.current = root.plot = made;
      latest.current.onFigure(made);
      end = attend(made, root, props.x);
    });
    return () => {
      end();
      figure.current?.destroy();
      figure.current = null;
      delete root.plot;
      latest.current.onFigure(null);
    };
  }, [props.x, props.logX, props.logY]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (figure.current && move(figure.current, event.key, event)) event.preventDefault();
  };
  return (
    <div
      class="plot"
      ref={place}
      role="application"
      aria-roledescription="chart"
      aria-label={`${props.label}. Plus and minus zoom, the arrows move, 0 shows everything.`}
      tabIndex={0}
      style={{ height: props.height }}
      onKeyDown={onKeyDown}
      onMouseLeave={() => (pointed.value = null)}
    >
      {hit && figure.current && <Tooltip hit={hit} figure={figure.current} x={props.x} />}
    </div>
  );
}

/** Follow the size of the place, the colors of the page, and the run and the step that are looked at elsewhere. */
function attend(figure: Figure, root: HTMLElement, x: string): () => void {
  const sizes = new ResizeObserver(() => inFrame(sizes, () => figure.resize(root.clientWidth, root.clientHeight)));
  sizes.observe(root);
  const ends = [
    effect(() => {
      if (theme.value) inFrame(figure, () => figure.recolor());
    }),
    effect(() => figure.emphasizeRun(pointed.value)),
    effect(() => figure.showMark(x === "_step" ? marked.value : null)),
  ];
  return () => {
    sizes.disconnect();
    notInFrame(sizes);
    notInFrame(figure);
    ends.forEach((end) => end());
  };
}

const STEP = 0.2;

/** What a key does; false where it does nothing. */
function move(figure: Figure, key: string, { ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  const moves: Record<string, () => void> = {
    "+": () => figure.zoom(0.5),
    "=": () => figure.zoom(0.5),
    "-": () => figure.zoom(2),
    ArrowLeft: () => figure.pan(-STEP),
    ArrowRight: () => figure.pan(STEP),
    ArrowUp: () => figure.panY(STEP),
    ArrowDown: () => figure.panY(-STEP),
    "0": () => figure.reset(),
    Escape: () => figure.reset(),
  };
  const what = moves[key];
  if (!what || ctrlKey || metaKey || altKey) return false;
  what();
  return true;
}

