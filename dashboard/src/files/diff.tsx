/** A patch: what was added and taken away, by signs and by color. */

import { useMemo } from "preact/hooks";
import { formatCount } from "../runs/values";
import { kindOfLine } from "./patch";

/** Lines that are drawn: a larger patch is read better elsewhere. */
const MOST = 20_000;

export function DiffText({ text, name }: { text: string; name: string }) {
  const lines = useMemo(() => text.split("\n"), [text]);
  const shown = lines.slice(0, MOST);
  return (
    <>
      <pre class="lines diff" tabIndex={0} role="region" aria-label={`Changes of ${name}`}>
        {shown.map((line, at) => (
          <span key={at} class={kindOfLine(line)}>
            {line}
            {"\n"}
          </span>
        ))}
      </pre>
      {lines.length > MOST && <p class="soft">{formatCount(lines.length - MOST)} more lines: download the file to see them.</p>}
    </>
  );
}
