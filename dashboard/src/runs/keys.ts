/** The keys of the runs view: what each does, for the one who presses it and for the help. */

import { canWrite, selected } from "../state";
import { current, focusTable, fold, moveBy, moveTo, open, put, runsOf, select, targets, toggle } from "./act";
import { ask } from "./asked";
import { rows } from "./shown";

interface Key {
  keys: string[];
  /** As the help names them. */
  shown: string;
  what: string;
  act: (event: KeyboardEvent) => void;
  isEdit?: boolean;
}

const PAGE = 15;

/** All keys, in the order of the help. */
export const KEYS: Key[] = [
  { keys: ["/"], shown: "/", what: "Search", act: () => document.querySelector<HTMLElement>(".runs-search input")?.focus() },
  { keys: ["j", "ArrowDown"], shown: "j ↓", what: "Next run; with Shift, select too", act: (event) => step(1, event) },
  { keys: ["k", "ArrowUp"], shown: "k ↑", what: "Run before; with Shift, select too", act: (event) => step(-1, event) },
  { keys: ["PageDown"], shown: "PgDn", what: "Many runs down", act: (event) => step(PAGE, event) },
  { keys: ["PageUp"], shown: "PgUp", what: "Many runs up", act: (event) => step(-PAGE, event) },
  { keys: ["Home"], shown: "Home", what: "First run", act: () => moveTo(0) },
  { keys: ["End"], shown: "End", what: "Last run", act: () => moveTo(rows.value.length - 1) },
  { keys: ["x", " "], shown: "x Space", what: "Select: charts draw what is selected", act: selectCurrent },
  { keys: ["h"], shown: "h", what: "Hide in the charts", act: () => toggle("hide", runsOf(current())) },
  { keys: ["p"], shown: "p", what: "Pin to the top", act: () => toggle("pin", runsOf(current())) },
  { keys: ["ArrowRight"], shown: "→", what: "Columns to the right, or unfold a group", act: () => sideways(1) },
  { keys: ["ArrowLeft"], shown: "←", what: "Columns to the left, or fold a group", act: () => sideways(-1) },
  { keys: ["Enter"], shown: "Enter", what: "Open the run", act: openCurrent },
  { keys: ["Escape"], shown: "Escape", what: "Select nothing", act: () => put("sel", [...selected.value], false) },
  { keys: ["e"], shown: "e", what: "Edit name, tags and note", act: () => ask("edit", targets()), isEdit: true },
  { keys: ["Delete", "#"], shown: "Delete #", what: "Delete", act: () => ask("delete", targets()), isEdit: true },
  { keys: ["?"], shown: "?", what: "Show these keys", act: () => ask("help", []) },
];

/** The keys that are of use with this token. */
export function usable(): Key[] {
  return KEYS.filter((key) => canWrite.value || !key.isEdit);
}

function step(count: number, event: KeyboardEvent): void {
  moveBy(count, event.shiftKey);
}

function selectCurrent(event: KeyboardEvent): void {
  const row = current();
  if (row) select(row, event.shiftKey);
}

function openCurrent(): void {
  const row = current();
  if (row) open(row);
}

const SIDEWAYS = 120;

function sideways(direction: 1 | -1): void {
  const row = current();
  if (row?.group) fold(row, direction < 0);
  else document.querySelector(".runs-table")?.scrollBy({ left: direction * SIDEWAYS });
}

/** Whether somebody types, or is at a control that has keys of its own. */
function isTaken(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog, [role=dialog], [role=separator], select, textarea")) return true;
  return target instanceof HTMLInputElement && target.type !== "checkbox";
}

/** What Enter and the space bar do by themselves on what has the focus. */
function isPressed(event: KeyboardEvent): boolean {
  const { target, key } = event;
  return (key === "Enter" || key === " ") && target instanceof HTMLElement && target.matches("button, a, input, summary");
}

/** Where the keys work: everywhere but in charts, which have their own, and in fields; outside only those that lead here. */
export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTaken(event.target) || isPressed(event)) return;
  const target = event.target instanceof Element ? event.target : document.body;
  const isHere = target === document.body || (target.closest(".runs") !== null && target.closest(".charts") === null);
  if (!isHere && event.key !== "/" && event.key !== "?") return;
  const key = usable().find(({ keys }) => keys.includes(event.key) || (event.shiftKey && keys.includes(event.key.toLowerCase())));
  if (!key) return;
  event.preventDefault();
  if (event.key !== "/" && event.key !== "?") focusTable();
  key.act(event);
}
