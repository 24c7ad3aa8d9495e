/** A step that is looked at elsewhere on the page: charts over steps draw a line there. */

import { signal } from "@preact/signals";

/** The step; null where none is looked at. */
export const marked = signal<number | null>(null);
