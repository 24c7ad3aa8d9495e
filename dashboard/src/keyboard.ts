/** What keys do in a view. */

import { useLayoutEffect, useRef } from "preact/hooks";

/** Keys of a view from its first frame on, unless somebody types into a field; arrows stay with what scrolls by them. */
export function useKeys(keys: Record<string, () => void>): void {
  const known = useRef(keys);
  known.current = keys;
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]")) return;
      if (target instanceof HTMLElement && event.key.startsWith("Arrow") && target.closest("pre, [role=tree], [role=tablist], .chart")) return;
      const act = known.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
