/** A button that opens a small panel below it. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export function Menu({ label, title, children }: { label: ComponentChildren; title: string; children: () => ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const [isOpen, show] = useState(false);
  useLayoutEffect(() => {
    if (!isOpen) return;
    box.current?.querySelector<HTMLElement>("[role=dialog] :is(input, button, select)")?.focus();
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) show(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [isOpen]);
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.preventDefault();
    show(false);
    box.current?.querySelector<HTMLElement>("button")?.focus();
  };
  return (
    <div ref={box} class="runs-menu" onKeyDown={key}>
      <button aria-expanded={isOpen} aria-haspopup="dialog" onClick={() => show(!isOpen)}>
        {label}
      </button>
      {isOpen && (
        <div class="panel" role="dialog" aria-label={title}>
          {children()}
        </div>
      )}
    </div>
  );
}
