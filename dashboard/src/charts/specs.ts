/** What the charts of all metrics show, as the address says. */

import { computed } from "@preact/signals";
import { metricFilter } from "../runs/search";
import { query } from "../state";
import type { ChartSpec } from "./compose";
import { grouped, keyFilter, type KeyGroup } from "./groups";
import { settings } from "./settings";
import { shown } from "./shown";

const filter = computed(() => settings.value.keys);
/** The keys that are shown, by their prefix: those that the filter and the search leave. */
export const keyGroups = computed(() => grouped(shown.value.keys.filter(keyFilter(filter.value)).filter(metricFilter(query.value))));

/** What the group of the keys without a prefix is called. */
export const nameOfGroup = ({ prefix }: KeyGroup) => prefix || "metrics";

export function isOpen(group: KeyGroup): boolean {
  return !settings.value.shut.has(nameOfGroup(group));
}

/** The keys whose charts are there: those of the groups that are open. */
export function openKeys(): string[] {
  return keyGroups.value.filter(isOpen).flatMap(({ keys }) => keys);
}

/** The chart of a key. */
export function specOf(key: string): ChartSpec {
  const { x, smooth, logX, logY, mode } = settings.value;
  const { runs, groups } = shown.value;
  return { keys: [key], runs: runs as string[], groups, x, smooth, logX, logY, mode };
}
