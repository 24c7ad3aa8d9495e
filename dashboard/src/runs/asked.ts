/** Which dialog is open, and about which runs. */

import { signal } from "@preact/signals";

type What = "edit" | "delete" | "help";

export const asked = signal<{ what: What; names: string[] } | null>(null);

/** Open a dialog about runs; there is none about no runs, but for the help. */
export function ask(what: What, names: string[]): void {
  if (what === "help" || names.length > 0) asked.value = { what, names };
}
