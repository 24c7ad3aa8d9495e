/** The heads of the columns, which sort. */

import { setQuery } from "../route";
import { selected } from "../state";
import { put, runsOf } from "./act";
import type { Column } from "./columns";
import type { Layout } from "./line";
import { rows, sort } from "./shown";

/** The height of the head, in pixels. */
export const HEAD = 34;

/** Sort by a column: first the usual way round, then the other, then as at first. */
function sortBy(column: Pick<Column, "id" | "isNumber">): void {
  const usual = column.id === "start" ? `-${column.id}` : column.id;
  const other = usual.startsWith("-") ? column.id : `-${column.id}`;
  const next = sort.value === usual ? other : sort.value === other ? null : usual;
  setQuery({ sort: next });
}

function direction(id: string): "ascending" | "descending" | "none" {
  if (sort.value === id) return "ascending";
  return sort.value === `-${id}` ? "descending" : "none";
}

export function Head({ layout }: { layout: Layout }) {
  return (
    <div role="rowgroup" id="runs-head" class="head" style={{ width: `${layout.width}px` }}>
      <div role="row" aria-rowindex={1}>
        <div role="columnheader" class="named" aria-colindex={1} aria-sort={direction("name")} style={{ width: `${layout.nameWidth}px` }}>
          <All />
          <SortButton column={{ id: "name", label: "name", isNumber: false }} title="name" />
          {layout.common && (
            <span class="common" title={`all are in ${layout.common}`}>
              in {layout.common}
            </span>
          )}
        </div>
        {layout.shown.map((column, at) => (
          <div
            key={column.id}
            role="columnheader"
            class={column.isNumber ? "cell number" : "cell"}
            aria-colindex={layout.first + at + 2}
            aria-sort={direction(column.id)}
            style={{ left: `${layout.nameWidth + (layout.starts[layout.first + at] ?? 0)}px`, width: `${column.width}px` }}
          >
            <SortButton column={column} title={titleOf(column)} />
          </div>
        ))}
      </div>
    </div>
  );
}

function titleOf({ kind, name, label }: Column): string {
  if (kind === "field") return label;
  return kind === "param" ? `${name}, a parameter` : `the ${kind} value of ${name}`;
}

function SortButton({ column, title }: { column: Pick<Column, "id" | "label" | "isNumber">; title: string }) {
  const way = direction(column.id);
  return (
    <button class="sort" title={title} onClick={() => sortBy(column)}>
      <span>{column.label}</span>
      <span aria-hidden="true" class="way">
        {way === "none" ? "" : way === "ascending" ? "▲" : "▼"}
      </span>
    </button>
  );
}

function All() {
  const names = rows.value.filter((row) => row.run !== null);
  const count = selected.value.size === 0 ? 0 : names.filter((row) => selected.value.has(row.run as string)).length;
  const isAll = count > 0 && count === names.length;
  return (
    <input
      type="checkbox"
      aria-label="Select all runs"
      checked={isAll}
      ref={(element) => {
        if (element) element.indeterminate = count > 0 && !isAll;
      }}
      onClick={() => put("sel", names.flatMap(runsOf), !isAll)}
    />
  );
}
