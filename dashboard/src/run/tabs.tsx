/** Parts of a view of which one is seen; the address says which. Arrows go from one to the next. */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { route, setQuery } from "../route";
import { formatCount } from "../runs/values";

export interface Tab {
  id: string;
  label: string;
  /** How many things are in it. */
  count?: number;
  show: () => ComponentChildren;
}

export function Tabs({ tabs, label }: { tabs: readonly Tab[]; label: string }) {
  const list = useRef<HTMLDivElement>(null);
  const wanted = route.value.query.get("tab");
  const chosen = tabs.find(({ id }) => id === wanted) ?? tabs[0];
  const onKey = (event: KeyboardEvent) => {
    const at = tabs.indexOf(chosen as Tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    if (next) setQuery({ tab: next.id });
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[(to + tabs.length) % tabs.length]?.focus();
  };
  if (!chosen) return null;
  return (
    <>
      <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={onKey}>
        {tabs.map(({ id, label: name, count }) => (
          <button
            key={id}
            id={`tab-${id}`}
            role="tab"
            aria-selected={id === chosen.id}
            aria-controls={id === chosen.id ? "tabpanel" : undefined}
            tabIndex={id === chosen.id ? 0 : -1}
            onClick={() => setQuery({ tab: id })}
          >
            {name}
            {count !== undefined && <span class="count"> {formatCount(count)}</span>}
          </button>
        ))}
      </div>
      <div id="tabpanel" class={`panel ${chosen.id}`} role="tabpanel" aria-labelledby={`tab-${chosen.id}`} key={chosen.id}>
        {chosen.show()}
      </div>
    </>
  );
}
