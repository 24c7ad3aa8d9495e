/** How charts are drawn, as the address says. */

import { computed } from "@preact/signals";
import { route, setQuery } from "../route";
import { listed } from "../state";
import type { Range } from "./ranges";

export type Mode = "auto" | "lines" | "bands";

export interface Settings {
  x: string;
  smooth: number;
  logX: boolean;
  logY: boolean;
  mode: Mode;
  /** A regular expression that the keys of metrics must match. */
  keys: string;
  range: Range | null;
  /** The groups that are closed. */
  shut: ReadonlySet<string>;
  /** The keys whose charts are large. */
  large: ReadonlySet<string>;
}

/** What the number of the row is called in an address, where nothing would be the default. */
const ROW = "_row";

export function parseSettings(query: URLSearchParams): Settings {
  const x = query.get("x") ?? "_step";
  const mode = query.get("lines");
  return {
    x: x === ROW ? "" : x,
    smooth: Math.min(0.999, Math.max(0, Number(query.get("smooth")) || 0)),
    logX: query.get("logx") === "1",
    logY: query.get("logy") === "1",
    mode: mode === "lines" || mode === "bands" ? mode : "auto",
    keys: query.get("keys") ?? "",
    range: parseRange(query.get("range")),
    shut: parseNames(query.get("shut")),
    large: parseNames(query.get("large")),
  };
}

function parseNames(text: string | null): Set<string> {
  return new Set((text ?? "").split(",").filter(Boolean).map(decodeURIComponent));
}

function parseRange(text: string | null): Range | null {
  const [low, high] = (text ?? "").split("~").map(Number);
  return low !== undefined && high !== undefined && low < high ? [low, high] : null;
}

export const settings = computed(() => parseSettings(route.value.query));

export function setRange(range: Range | null): void {
  setQuery({ range: range && range.join("~") });
}

/** Another x has other values: a range of the one is none of the other. */
export function setX(x: string): void {
  setQuery({ x: x === "_step" ? null : x === "" ? ROW : x, range: null });
}

/** Put a name into one of the lists, or take it out. */
export function toggleIn(list: "shut" | "large", name: string): void {
  const names = new Set(settings.value[list]);
  if (!names.delete(name)) names.add(name);
  setQuery({ [list]: listed(names) });
}
