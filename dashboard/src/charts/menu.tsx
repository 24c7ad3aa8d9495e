/** A button that opens the formats in which charts can be kept. */

import { useRef, useState } from "preact/hooks";
import { exportCharts, type Exported, type Format } from "./export";

const FORMATS: [Format, string][] = [
  ["png", "PNG picture"],
  ["svg", "SVG drawing"],
  ["csv", "CSV, all points"],
];

export function ExportMenu({ name, charts }: { name: string; charts: () => Exported[] }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const [said, say] = useState("");
  const shut = () => menu.current?.removeAttribute("open");
  const keep = (format: Format) => {
    shut();
    menu.current?.querySelector("summary")?.focus();
    say("Exporting");
    exportCharts(charts(), format, name).then(
      () => say(""),
      (error: unknown) => say(error instanceof Error ? error.message : String(error)),
    );
  };
  const leave = ({ relatedTarget }: FocusEvent) => {
    if (!menu.current?.contains(relatedTarget as Node | null)) shut();
  };
  return (
    <details class="export" ref={menu} onFocusOut={leave} onKeyDown={(event) => event.key === "Escape" && shut()}>
      <summary aria-label={`Export ${name}`} title="Export">
        <span aria-hidden="true">⤓</span>
      </summary>
      <div class="formats" role="group" aria-label={`Export ${name} as`}>
        {FORMATS.map(([format, label]) => (
          <button key={format} class="quiet" onClick={() => keep(format)}>
            {label}
          </button>
        ))}
      </div>
      <span class="said" role="status">
        {said}
      </span>
    </details>
  );
}
