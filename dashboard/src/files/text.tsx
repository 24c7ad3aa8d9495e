/** A text file: its beginning or its end, what is added to it, and what is found in all of it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { getBytes } from "../api";
import { watch } from "../live";
import { formatCount } from "../runs/values";
import { bytes } from "./format";
import { decoded, Finder, groups, lastLines, marked, type Found } from "./lines";

/** Bytes that are read at once, and characters that are kept of a log that grows. */
const PART = 128 * 1024;
const KEPT = 512 * 1024;
const SEARCHED = 2 ** 19;
/** Lines that are laid out together, and how high each is: as in the style. */
const GROUP = 200;
const LINE = 19;

interface Part {
  text: string;
  from: number;
  to: number;
}

const NOTHING: Part = { text: "", from: 0, to: 0 };

/** Read a range of a file; of an empty one nothing can be asked. */
async function part(file: string, from: number, to: number): Promise<Part> {
  const data = to > from ? await getBytes(file, from, to) : new Uint8Array();
  return { text: decoded(data, from > 0), from, to: from + data.length };
}

/** The part of a file that is shown, and how to get more of it; a tail goes on as the file grows. */
function usePart(file: string, size: number, isTail: boolean) {
  const [shown, show] = useState<Part>(NOTHING);
  const [now, grow] = useState(size);
  const [error, fail] = useState("");
  const round = useRef({});
  const known = useRef(size);
  const read = async (from: number, to: number, join: (old: Part, more: Part) => Part): Promise<void> => {
    const mine = round.current;
    try {
      const more = await part(file, from, to);
      if (mine === round.current) show((old) => join(old, more));
    } catch (reason) {
      if (mine === round.current) fail(reason instanceof Error ? reason.message : String(reason));
    }
  };
  const begin = (length: number) => {
    round.current = {};
    known.current = length;
    grow(length);
    fail("");
    const from = isTail ? Math.max(0, length - PART) : 0;
    void read(from, Math.min(length, from + PART), (_, more) => (from > 0 ? { ...more, text: lastLines(more.text, PART - 1) } : more));
  };
  useEffect(() => {
    show(NOTHING);
    begin(size);
    return watch({
      files: [file],
      onFile: (key, length) => {
        if (key !== file || length === null) return;
        const before = known.current;
        known.current = length;
        grow(length);
        if (length < before) begin(length);
        else if (isTail) void read(before, length, (old, more) => ({ text: lastLines(old.text + more.text, KEPT), from: old.from, to: more.to }));
      },
    });
  }, [file, isTail]);
  const more = () => {
    if (isTail) void read(Math.max(0, shown.from - PART), shown.from, (old, before) => ({ text: before.text + old.text, from: before.from, to: old.to }));
    else void read(shown.to, Math.min(now, shown.to + PART), (old, after) => ({ text: old.text + after.text, from: old.from, to: after.to }));
  };
  return { shown, now, error, more };
}

/** What a word is found in, in the whole file, part by part. */
function useSearch(file: string, size: number, word: string): { found: Found[]; count: number; done: number } | null {
  const [told, tell] = useState<{ found: Found[]; count: number; done: number } | null>(null);
  useEffect(() => {
    if (!word) return tell(null);
    const left = new AbortController();
    const finder = new Finder(word);
    const search = async () => {
      for (let at = 0; at < size && !left.signal.aborted; at += SEARCHED) {
        const to = Math.min(size, at + SEARCHED);
        finder.take(await getBytes(file, at, to), to === size);
        if (!left.signal.aborted) tell({ found: [...finder.found], count: finder.count, done: to / size });
      }
      if (size === 0) tell({ found: [], count: 0, done: 1 });
    };
    const timer = setTimeout(() => void search().catch(() => undefined), 200); // typing goes on
    return () => (left.abort(), clearTimeout(timer));
  }, [file, word]);
  return told;
}

interface TextProps {
  file: string;
  size: number;
  /** Show the end first, and what is added. */
  tail?: boolean;
}

export function TextFile({ file, size, tail = false }: TextProps) {
  const [isTail, setTail] = useState(tail);
  const [word, search] = useState("");
  const { shown, now, error, more } = usePart(file, size, isTail);
  const result = useSearch(file, now, word);
  const left = isTail ? shown.from : now - shown.to;
  const button = left > 0 && !error && (
    <button class="quiet" onClick={more}>
      {`${bytes(Math.min(left, PART))} more, of ${bytes(left)} ${isTail ? "before" : "behind"}`}
    </button>
  );
  return (
    <div class="textfile">
      <div class="filetools">
        <input type="search" aria-label={`Search in ${file}`} placeholder="Search in this file" value={word} onInput={(event) => search(event.currentTarget.value)} />
        <label>
          <input type="checkbox" checked={isTail} onChange={() => setTail(!isTail)} /> Follow the end
        </label>
        <span class="gap" />
        <span class="soft">{bytes(now)}</span>
      </div>
      {error && <p role="alert">{error}</p>}
      {result ? (
        <Results result={result} word={word} />
      ) : (
        <>
          {isTail && button}
          <Lines text={shown.text} isTail={isTail} name={file} />
          {!isTail && button}
        </>
      )}
    </div>
  );
}

/** Text in groups of lines, of which the browser lays out those in view; a tail stays at its end. */
export function Lines({ text, isTail = false, name }: { text: string; isTail?: boolean; name: string }) {
  const box = useRef<HTMLPreElement>(null);
  const stays = useRef(true);
  useEffect(() => {
    const { current } = box;
    if (current && isTail && stays.current) current.scrollTop = current.scrollHeight;
  }, [text, isTail]);
  const scrolled = ({ currentTarget: { scrollTop, clientHeight, scrollHeight } }: { currentTarget: HTMLElement }) => {
    stays.current = scrollTop + clientHeight > scrollHeight - 30;
  };
  return (
    <pre class="lines" ref={box} tabIndex={0} role="region" aria-label={`Text of ${name}`} onScroll={scrolled}>
      {groups(text, GROUP).map((group, at) => (
        <span key={at} style={{ containIntrinsicSize: `auto ${LINE * GROUP}px` }}>
          {group}
        </span>
      ))}
    </pre>
  );
}

function Results({ result, word }: { result: { found: Found[]; count: number; done: number }; word: string }) {
  const { found, count, done } = result;
  const what = `${formatCount(count)} ${count === 1 ? "line" : "lines"}`;
  return (
    <>
      <p class="soft" role="status">
        {done < 1 ? `${what} in the first ${Math.round(100 * done)} %…` : what}
        {count > found.length ? `, the first ${formatCount(found.length)} are shown` : ""}
      </p>
      <pre class="lines found" tabIndex={0} role="region" aria-label="Lines that were found">
        {found.map(({ line, text }) => (
          <span key={line}>
            <span class="number">{line}</span>
            {marked(text, word).map((piece, at) => (at % 2 ? <mark key={at}>{piece}</mark> : piece))}
            {"\n"}
          </span>
        ))}
      </pre>
    </>
  );
}
