/** What the charts of all metrics show, as the address says. */

import type { ChartSpec } from "./compose";
import type { KeyGroup } from "./groups";
import { settings } from "./settings";
import { shown } from "./shown";

/** What the group of the keys without a prefix is called. */
export const nameOfGroup = ({ prefix }: KeyGroup) => prefix || "metrics";

export function isOpen(group: KeyGroup): boolean {
  return !settings.value.shut.has(nameOfGroup(group));
}

/** The chart of a key. */
export function specOf(key: string): ChartSpec {
  const { x, smooth, logX, logY, mode } = settings.value;
  const { runs, groups } = shown.value;
  return { keys: [key], runs: runs as string[], groups, x, smooth, logX, logY, mode };
}
