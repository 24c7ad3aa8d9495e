/** The one step that all evidence is of: a slider, buttons and keys; the address keeps it. */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { marked } from "../charts/marked";
import { useKeys } from "../keyboard";
import { route, setQuery } from "../route";
import { formatCount } from "../runs/values";
import { placeAt } from "./evidence";

/** The step that the address says; Infinity, the last one there is, where it says none. */
export function stepOfRoute(): number {
  const text = route.value.query.get("step");
  const step = text === null ? NaN : Number(text);
  return Number.isNaN(step) ? Infinity : step;
}

/** Milliseconds of a step when it plays. */
const BEAT = 300;

export function StepBar({ steps }: { steps: readonly number[] }) {
  const [isPlaying, play] = useState(false);
  const last = steps.length - 1;
  const at = placeAt(steps, stepOfRoute());
  // Behind the last step the view goes on with what comes.
  const go = (to: number) => setQuery({ step: to >= last ? null : String(steps[Math.max(0, to)]) });
  useKeys({
    ArrowLeft: () => go(at - 1),
    ArrowRight: () => go(at + 1),
    "[": () => go(at - 1),
    "]": () => go(at + 1),
    Home: () => go(0),
    End: () => go(last),
    p: () => play(!isPlaying),
  });
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setTimeout(() => go(at >= last ? 0 : at + 1), BEAT);
    return () => clearTimeout(timer);
  });
  const step = steps[at] ?? null;
  useLayoutEffect(() => void (marked.value = step), [step]);
  useEffect(() => () => void (marked.value = null), []);
  if (steps.length < 2) return null;
  return (
    <div class="stepbar" role="group" aria-label="Step of all evidence">
      <button onClick={() => go(at - 1)} disabled={at === 0} aria-label="Step before" title="← or [">
        ◂
      </button>
      <button onClick={() => play(!isPlaying)} aria-label={isPlaying ? "Stop" : "Play"} title="p">
        {isPlaying ? "■" : "▶"}
      </button>
      <button onClick={() => go(at + 1)} disabled={at === last} aria-label="Next step" title="→ or ]">
        ▸
      </button>
      <input type="range" aria-label="Step" min={0} max={last} step={1} value={at} aria-valuetext={`step ${steps[at]}`} onInput={(event) => go(Number(event.currentTarget.value))} />
      <output class="step" aria-live="off">
        step {formatCount(steps[at])}
      </output>
      <span class="soft">
        {at + 1} of {formatCount(steps.length)}
      </span>
    </div>
  );
}
