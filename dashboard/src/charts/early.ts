/** What the first charts will show is asked for as soon as there are runs: it is worked out while the table is drawn. */

import { effect, untracked } from "@preact/signals";
import { route } from "../route";
import { areChartsSeen, guessTable } from "../runs/split";
import { Composer } from "./compose";
import { flush, Seat } from "./data";
import { openKeys, specOf } from "./specs";
import { settings } from "./settings";
import { shown } from "./shown";

/** Pixels of a chart with what is around it. */
const WIDTH = 400;
const HEIGHT = 290;
/** Milliseconds after which the charts have asked themselves, or will not. */
const PATIENCE = 5000;

const end = effect(() => {
  const { runs } = shown.value;
  if (runs.length === 0) return;
  queueMicrotask(() => end());
  if (route.peek().view !== "charts" && (route.peek().view !== "runs" || !areChartsSeen.peek())) return;
  const first = untracked(openKeys).slice(0, inView());
  requestAnimationFrame(() => ask(first, runs)); // the table is made, and the browser about to lay it out
});

/** How many charts are in view, about. */
function inView(): number {
  const table = guessTable();
  const width = route.peek().view === "charts" ? innerWidth : innerWidth - table.width;
  return Math.max(1, Math.floor(width / WIDTH)) * Math.ceil(table.height / HEIGHT);
}

function ask(keys: readonly string[], runs: readonly string[]): void {
  const seats = keys.map((key) => {
    const [seat, composer] = [new Seat(() => undefined), new Composer()];
    composer.set(specOf(key), runs, settings.peek().range);
    seat.ask(composer.want());
    return seat;
  });
  flush();
  setTimeout(() => seats.forEach((seat) => seat.leave()), PATIENCE);
}
