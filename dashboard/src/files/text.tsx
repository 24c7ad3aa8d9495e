/** A text file: its beginning or its end, what is added to it, and what is found in all of it. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { getBytes } from "../api";
import { watch } from "../live";
import { formatCount } from "../runs/values";
import { bytes } from "./format";
import { decoded, Finder, firstLine, groups, lastLine, marked, type Found } from "./lines";

/** Bytes that are read at once, and characters that are kept of a log that grows. */
const PART = 128 * 1024;
const KEPT = 512 * 1024;
const SEARCHED = 2 ** 19;
/** Lines that are laid out together, and how high each is: as in the style. */
const GROUP = 200;
const LINE = 19;

/** Text next to other text of a file: bytes `[from, to)`. */
interface Part {
  text: string;
  from: number;
  to: number;
}

/** From where to where to read, and which edge may be moved to where a line begins. */
type Range = [from: number, to: number, edge: "begin" | "end" | "none"];

/** Read a range of a file; of an empty one nothing can be asked. */
async function part(file: string, ...[from, to, edge]: Range): Promise<Part> {
  const data = to > from ? await getBytes(file, from, to) : new Uint8Array();
  const first = edge === "begin" ? firstLine(data) : 0;
  const last = edge === "end" ? lastLine(data) : data.length;
  return { text: decoded(data.subarray(first, last), from + first > 0), from: from + first, to: from + last };
}

/** Parts without those at the begin that are too much. */
function newest(parts: readonly Part[]): readonly Part[] {
  const end = parts.at(-1)?.to ?? 0;
  const kept = parts.filter(({ from }) => end - from <= KEPT);
  return kept.length ? kept : parts.slice(-1);
}

/** The part of a file that is shown, and how to get more of it; a tail goes on as the file grows. */
function usePart(file: string, size: number, isTail: boolean) {
  const [parts, show] = useState<readonly Part[]>([]);
  const [now, grow] = useState(size);
  const [error, fail] = useState("");
  const round = useRef({});
  const known = useRef(size);
  const read = useRef(parts);
  const turn = useRef(Promise.resolve());
  /** Read what is next to what is there, one after another: each range is chosen when all before it are there. */
  const next = (range: (from: number, to: number) => Range, join: (old: readonly Part[], more: Part) => readonly Part[]): void => {
    const mine = round.current;
    turn.current = turn.current.then(async () => {
      if (mine !== round.current) return;
      try {
        const more = await part(file, ...range(read.current[0]?.from ?? 0, read.current.at(-1)?.to ?? 0));
        if (mine !== round.current) return;
        show((read.current = join(read.current, more)));
        fail("");
      } catch (reason) {
        if (mine === round.current) fail(reason instanceof Error ? reason.message : String(reason));
      }
    });
  };
  const endingAt = (to: number): Range => [Math.max(0, to - PART), to, to > PART ? "begin" : "none"];
  const beginningAt = (from: number): Range => [from, Math.min(known.current, from + PART), known.current > from + PART ? "end" : "none"];
  const before = () => next((from) => endingAt(from), (old, more) => [more, ...old]);
  const after = () => next((_, to) => beginningAt(to), (old, more) => [...old, more]);
  const begin = (length: number) => {
    round.current = {};
    turn.current = Promise.resolve();
    known.current = length;
    grow(length);
    fail("");
    next(() => (isTail ? endingAt(length) : beginningAt(0)), (_, more) => [more]);
  };
  useEffect(() => {
    show((read.current = []));
    begin(size);
    return watch({
      files: [file],
      onFile: (key, length) => {
        if (key !== file || length === null) return;
        const isLess = length < known.current;
        known.current = length;
        grow(length);
        if (isLess) begin(length);
        else if (isTail) next((_, to) => [to, known.current, "none"], (old, more) => newest([...old, more]));
      },
    });
  }, [file, isTail]);
  const text = useMemo(() => parts.map(({ text }) => text).join(""), [parts]);
  const shown = { text, from: parts[0]?.from ?? 0, to: parts.at(-1)?.to ?? 0 };
  return { shown, now, error, more: isTail ? before : after };
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
  useLayoutEffect(() => {
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
