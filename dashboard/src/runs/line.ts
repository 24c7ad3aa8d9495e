/**
 * One line of the table, as elements that are used again for another run. It is built by hand: a table that scrolls
 * through a hundred columns has no time for more than what changes. The name stands apart from the cells, since one
 * part that stays in place costs the browser much less than one in each line.
 */

import type { Run } from "../types";
import { dashes, fillTags, nameParts, stateOf } from "./cells";
import type { Column } from "./columns";
import { ROW } from "./geometry";
import { formatCount } from "./values";

/** What all lines share: the same object as long as no column changes. */
export interface Layout {
  columns: readonly Column[];
  /** The columns that are drawn, and where the first of them stands. */
  shown: readonly Column[];
  first: number;
  left: number;
  starts: readonly number[];
  nameWidth: number;
  /** The folder that all runs are in: it is not shown in each line. */
  common: string;
  width: number;
}

/** All that can be seen of a line. */
export interface Look {
  index: number;
  layout: Layout;
  run: Run | null;
  /** The group whose head this is, with the number of its runs. */
  label: string;
  count: number;
  isFolded: boolean;
  level: number;
  isSelected: boolean;
  isHidden: boolean;
  isPinned: boolean;
  isPointed: boolean;
  isCursor: boolean;
  textIn: (column: Column) => string;
}

interface Cell {
  box: HTMLElement;
  column: Column | null;
  text: string;
}

function make<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, name: string, attributes: Record<string, string> = {}): HTMLElementTagNameMap[Tag] {
  const box = document.createElement(tag);
  if (name) box.className = name;
  for (const [key, value] of Object.entries(attributes)) box.setAttribute(key, value);
  return box;
}

export class Line {
  readonly head: HTMLElement;
  readonly body: HTMLElement;
  private readonly check = make("input", "", { type: "checkbox", tabindex: "-1" });
  private readonly swatch = make("span", "swatch", { "aria-hidden": "true" });
  private readonly link = make("a", "", { tabindex: "-1" });
  private readonly folder = make("span", "folder");
  private readonly last = make("span", "last");
  private readonly pin = make("button", "act pin", { tabindex: "-1", "data-act": "pin", title: "Pin to the top (p)" });
  private readonly eye = make("button", "act eye", { tabindex: "-1", "data-act": "hide", title: "Hide in the charts (h)" });
  private readonly cells: Cell[] = [];
  private look: Look | null = null;

  constructor(slot: number) {
    this.head = make("div", "row", { role: "row", id: `run-row-${slot}`, "aria-owns": `run-cells-${slot}` });
    this.body = make("div", "row", { id: `run-cells-${slot}` });
    const name = make("div", "named", { role: "gridcell", "aria-colindex": "1" });
    this.link.append(this.folder, this.last);
    name.append(this.check, this.swatch, this.link, this.pin, this.eye);
    this.head.append(name);
  }

  /** Show this, by changing what differs from what is shown. */
  show(next: Look): void {
    const was = this.look;
    this.look = next;
    const isMoved = was?.index !== next.index;
    if (isMoved) this.move(next.index);
    if (next.run?.run !== was?.run?.run || next.label !== was?.label || was?.count !== next.count || was.layout.common !== next.layout.common) this.rename(next);
    if (!was || marksOf(was) !== marksOf(next)) this.mark(next);
    if (next.run !== was?.run || next.layout !== was?.layout || next.label !== was?.label || !next.run) this.fill(next);
  }

  private move(index: number): void {
    for (const part of [this.head, this.body]) {
      part.style.top = `${index * ROW}px`;
      part.dataset["index"] = String(index);
    }
    this.head.setAttribute("aria-rowindex", String(index + 2));
  }

  private rename({ run, label, count, layout }: Look): void {
    const name = run?.run ?? label;
    const [folder, last] = run ? nameParts(name.slice(layout.common.length)) : ["", label];
    this.folder.textContent = folder;
    this.last.textContent = last || "(the folder itself)";
    this.link.title = name;
    this.check.setAttribute("aria-label", run ? `Select ${name}` : `Select the group ${name}`);
    this.swatch.style.background = dashes(name); // that of a group is the one of its band
    if (!run) {
      this.link.removeAttribute("href");
      this.last.textContent = `${label} (${formatCount(count)})`;
      return;
    }
    this.link.href = `#/run/${name.split("/").map(encodeURIComponent).join("/")}`;
    this.pin.setAttribute("aria-label", `Pin ${name}`);
    this.eye.setAttribute("aria-label", `Hide ${name}`);
  }

  private mark(look: Look): void {
    const words = ["row", look.isCursor && "cursor", look.isPointed && "pointed", look.isHidden && "hidden", look.isPinned && "pinned"];
    if (look.isSelected) words.push("selected");
    if (!look.run) words.push("group");
    const name = words.filter(Boolean).join(" ");
    this.head.className = name;
    this.body.className = name;
    this.head.setAttribute("aria-selected", String(look.isSelected));
    this.check.checked = look.isSelected;
    if (look.level) this.head.setAttribute("aria-level", String(look.level));
    else this.head.removeAttribute("aria-level");
    if (look.run) this.head.removeAttribute("aria-expanded");
    else this.head.setAttribute("aria-expanded", String(!look.isFolded));
    this.pin.setAttribute("aria-pressed", String(look.isPinned));
    this.eye.setAttribute("aria-pressed", String(look.isHidden));
  }

  private fill(look: Look): void {
    const { shown, first, left } = look.layout;
    this.body.style.paddingLeft = `${left}px`;
    this.turn(shown);
    while (this.cells.length > shown.length) this.cells.pop()?.box.remove();
    for (const [at, column] of shown.entries()) {
      let cell = this.cells[at];
      if (!cell) {
        cell = newCell();
        this.cells.push(cell);
        this.body.append(cell.box);
      }
      if (cell.column !== column) place(cell, column, first + at);
      write(cell, column, look);
    }
  }

  /** Let cells that leave on one side come in on the other, so that the rest stays as it is. */
  private turn(shown: readonly Column[]): void {
    const { cells } = this;
    const [first, last] = [shown[0], shown.at(-1)];
    const before = cells.findIndex((cell) => cell.column === first);
    for (let count = before; count > 0; count--) {
      const cell = cells.shift() as Cell;
      cells.push(cell);
      this.body.append(cell.box);
    }
    if (before >= 0) return;
    const after = cells.findLastIndex((cell) => cell.column === last);
    for (let count = after < 0 ? 0 : cells.length - 1 - after; count > 0; count--) {
      const cell = cells.pop() as Cell;
      cells.unshift(cell);
      this.body.prepend(cell.box);
    }
  }
}

function newCell(): Cell {
  const box = document.createElement("div");
  box.setAttribute("role", "gridcell");
  return { box, column: null, text: "\0" };
}

function marksOf(look: Look): string {
  const { isCursor, isPointed, isHidden, isPinned, isSelected, isFolded, level, run } = look;
  return `${[isCursor, isPointed, isHidden, isPinned, isSelected, isFolded, run !== null].map(Number).join("")}${level}`;
}

function place(cell: Cell, column: Column, index: number): void {
  if (cell.column?.width !== column.width) cell.box.style.flexBasis = `${column.width}px`;
  cell.box.setAttribute("aria-colindex", String(index + 2));
  cell.column = column;
}

/** The width of a letter, about: only texts that may be too long are cut, which costs the browser more. */
const LETTER = 7.6;
const PADDING = 20;

function write(cell: Cell, column: Column, look: Look): void {
  const text = look.textIn(column);
  const state = look.run && column.id === "status" ? stateOf(look.run) : null;
  const key = state ? `state ${state.kind} ${text} ${look.run?.alive}` : column.id === "tags" ? `tags ${text}` : `${text}${column.isNumber}`;
  if (cell.text === key) return;
  cell.text = key;
  const isLong = text.length * LETTER + PADDING > column.width;
  cell.box.className = `cell${column.isNumber ? " number" : ""}${isLong ? " long" : ""}${state ? ` state ${state.kind}` : ""}`;
  if (isLong) cell.box.title = text;
  else cell.box.removeAttribute("title");
  if (column.id === "tags" && look.run) fillTags(cell.box, look.run.tags);
  else if (state) cell.box.replaceChildren(icon(state.icon, look.run?.alive === true), state.word);
  else cell.box.textContent = text;
}

function icon(text: string, isBeating: boolean): HTMLElement {
  const box = make("span", isBeating ? "icon beating" : "icon", { "aria-hidden": "true" });
  box.textContent = text;
  return box;
}
