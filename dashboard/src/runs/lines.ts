/** The lines that are drawn: a few, which show one part of the table after another. */

import { hidden, pinned, pointed, selected } from "../state";
import { cursor } from "./act";
import { textIn, textOfMany } from "./cells";
import type { Column } from "./columns";
import type { Span } from "./geometry";
import { Line, type Layout, type Look } from "./line";
import type { Group, Row } from "./order";
import { folded, group, rows, runOf } from "./shown";

/** The id of the line that a row is drawn in. */
export function rowId(index: number, drawn: number): string {
  return `run-row-${index % drawn}`;
}

export class Lines {
  private readonly lines: Line[] = [];
  private readonly texts = new WeakMap<Group, Map<string, string>>();

  constructor(
    private readonly names: HTMLElement,
    private readonly cells: HTMLElement,
  ) {}

  /** Draw these rows, with so many lines; each row is always drawn in the same one. */
  draw(span: Span, drawn: number, layout: Layout): void {
    this.resize(Math.min(drawn, rows.value.length));
    const count = this.lines.length;
    const marks = { chosen: selected.value, away: hidden.value, above: pinned.value, at: cursor.value, over: pointed.value };
    for (let index = span.end - 1; index >= Math.max(span.start, span.end - count); index--) {
      const row = rows.value[index];
      const look = row && this.lookOf(row, index, layout, marks);
      if (look) this.lines[index % count]?.show(look);
    }
  }

  private resize(count: number): void {
    for (const line of this.lines.splice(count)) {
      line.head.remove();
      line.body.remove();
    }
    const more = Array.from({ length: count - this.lines.length }, (_, at) => new Line(this.lines.length + at));
    this.lines.push(...more);
    this.names.append(...more.map((line) => line.head));
    this.cells.append(...more.map((line) => line.body));
  }

  private lookOf(row: Row, index: number, layout: Layout, marks: Marks): Look | null {
    const level = group.value.length ? 2 : 0;
    const isCursor = row.key === marks.at;
    const plain = { index, layout, isCursor, label: "", count: 0, isFolded: false, isHidden: false, isPinned: false, isPointed: false };
    if (row.group) {
      const { name, runs } = row.group;
      const own = row.group;
      const isSelected = runs.every((run) => marks.chosen.has(run.run));
      const textOf = (column: Column) => this.textOf(own, column);
      return { ...plain, run: null, label: name, count: runs.length, isFolded: folded.value.has(name), level: 1, isSelected, textIn: textOf };
    }
    const run = runOf(row);
    if (!run) return null;
    const isPinned = marks.above.has(run.run);
    return {
      ...plain,
      run,
      isPinned,
      level: isPinned ? level && 1 : level,
      isSelected: marks.chosen.has(run.run),
      isHidden: marks.away.has(run.run),
      isPointed: marks.over === run.run,
      textIn: (column) => textIn(column, run),
    };
  }

  private textOf(own: Group, column: Column): string {
    let texts = this.texts.get(own);
    if (!texts) this.texts.set(own, (texts = new Map<string, string>()));
    const kept = texts.get(column.id);
    if (kept !== undefined) return kept;
    const text = textOfMany(column, own.runs);
    texts.set(column.id, text);
    return text;
  }
}

interface Marks {
  chosen: ReadonlySet<string>;
  away: ReadonlySet<string>;
  above: ReadonlySet<string>;
  at: string | null;
  over: string | null;
}
