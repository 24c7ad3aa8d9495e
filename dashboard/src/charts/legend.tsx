/** Which line is which: its color and its dashes, and its name. */

import { pointed } from "../state";
import type { Look } from "./compose";

/** So many are named; more of them nobody could tell apart. */
const MOST = 24;

export function Legend({ items }: { items: readonly (Look & { run: string | null })[] }) {
  return (
    <ul class="legend" aria-label="Lines" onMouseLeave={() => (pointed.value = null)}>
      {items.slice(0, MOST).map(({ label, run, color, dash }) => (
        <li key={label} class={run !== null && pointed.value === run ? "pointed" : ""} onMouseEnter={() => (pointed.value = run)}>
          <svg width="22" height="8" aria-hidden="true">
            <path d="M1 4h20" stroke={color} stroke-width="2.5" stroke-dasharray={dash.join(" ")} />
          </svg>
          {label}
        </li>
      ))}
      {items.length > MOST && <li>and {items.length - MOST} more</li>}
    </ul>
  );
}
