/** The editor of a report: the text, beside it what it will look like, and what to do when somebody else was faster. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { edit, getReport, Refused, renderText } from "../api";
import type { Report } from "../types";
import { dropDraft, keepDraft, type Draft } from "./draft";
import { Rendered } from "./rendered";

/** Milliseconds without a key after which the preview follows. */
const PAUSE = 250;

const SNIPPETS: [string, string][] = [
  ["Chart", "```chart\nkeys: loss\n```"],
  ["Table", "```table\ncolumns: loss@min, loss\nsort: loss@min\n```"],
  ["Image", "```image\nkeys: figures/*.png\ncaption: What it shows\n```"],
  ["Value", "```value\nkey: loss\nbest: min\nlabel: least loss\n```"],
];

interface EditorProps {
  file: string;
  folder: string;
  draft: Draft;
  /** The text that is stored, to tell whether anything was changed. */
  stored: string;
  onDone: (isSaved: boolean) => void;
}

export function Editor({ file, folder, draft, stored, onDone }: EditorProps) {
  const [text, setText] = useState(draft.text);
  const [etag, setEtag] = useState(draft.etag);
  const [said, say] = useState("");
  const [theirs, meet] = useState<Report | null>(null);
  const [isLeaving, leave] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const html = usePreview(text, file);
  const isChanged = text !== stored;
  const change = (next: string) => {
    setText(next);
    leave(false);
    keepDraft(file, { text: next, etag });
  };
  const save = async (over: string | null) => {
    say("Saving");
    try {
      await edit({ action: "write", key: file, text, etag: over });
      dropDraft(file);
      onDone(true);
    } catch (error) {
      if (!(error instanceof Refused && error.status === 409)) return say(error instanceof Error ? error.message : String(error));
      meet(await getReport(file).catch(() => ({ html: "", text: "", etag: null })));
      say("");
    }
  };
  const cancel = () => {
    if (isChanged && !isLeaving) return leave(true);
    dropDraft(file);
    onDone(false);
  };
  const onKey = (event: KeyboardEvent) => {
    const isSave = (event.ctrlKey || event.metaKey) && event.key === "s";
    if (!isSave && event.key !== "Escape") return;
    event.preventDefault();
    if (isSave) void save(etag);
    else cancel();
  };
  useLayoutEffect(() => field.current?.focus(), []);
  const take = (report: Report) => {
    setText(report.text);
    setEtag(report.etag);
    dropDraft(file);
    meet(null);
  };
  return (
    <form class="editor" aria-label="Edit the report" onKeyDown={onKey} onSubmit={(event) => (event.preventDefault(), void save(etag))}>
      <div class="tools">
        <button class="first">Save</button>
        <button type="button" onClick={cancel}>
          {isLeaving ? "Throw changes away" : "Cancel"}
        </button>
        <span class="soft">Ctrl+S saves, Escape cancels</span>
        <span class="gap" />
        <span class="soft">Insert:</span>
        {SNIPPETS.map(([name, snippet]) => (
          <button key={name} type="button" onClick={() => insert(field.current as HTMLTextAreaElement, snippet, change)}>
            {name}
          </button>
        ))}
      </div>
      <p class="said" role="status">
        {isLeaving ? "The text has changes. Cancel again to throw them away." : said}
      </p>
      {theirs && <Conflict theirs={theirs} onMine={() => (meet(null), void save(theirs.etag))} onTheirs={() => take(theirs)} />}
      <textarea ref={field} aria-label="Text of the report, in Markdown" spellcheck={false} value={text} onInput={(event) => change(event.currentTarget.value)} />
      <div class="preview">
        <Rendered html={html} folder={folder} label="Preview" />
      </div>
    </form>
  );
}

/** Put a block on lines of its own, where the cursor is. */
function insert(field: HTMLTextAreaElement, snippet: string, change: (text: string) => void): void {
  const { value, selectionEnd } = field;
  const before = value.slice(0, selectionEnd);
  const gap = before === "" || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  const put = `${before}${gap}${snippet}\n`;
  change(put + (value.slice(selectionEnd).startsWith("\n") ? "" : "\n") + value.slice(selectionEnd));
  field.focus();
  requestAnimationFrame(() => field.setSelectionRange(put.length, put.length));
}

function usePreview(text: string, file: string): string {
  const [html, show] = useState("");
  const last = useRef(0);
  useEffect(() => {
    const mine = ++last.current;
    const ask = async () => {
      const report = await renderText(text, file).catch(() => null);
      if (report && mine === last.current) show(report.html);
    };
    const timer = window.setTimeout(() => void ask(), html === "" ? 0 : PAUSE);
    return () => clearTimeout(timer);
  }, [text, file]);
  return html;
}

function Conflict({ theirs, onMine, onTheirs }: { theirs: Report; onMine: () => void; onTheirs: () => void }) {
  return (
    <section class="conflict" role="alert" aria-label="Somebody else changed the report">
      <p>
        Somebody else has changed this report since you began. Yours is not saved yet.
        {theirs.etag === null && " It is gone now."}
      </p>
      <details>
        <summary>Their text</summary>
        <pre tabIndex={0}>{theirs.text}</pre>
      </details>
      <button type="button" onClick={onMine}>
        Save mine over it
      </button>
      <button type="button" onClick={onTheirs}>
        Take theirs, and lose mine
      </button>
    </section>
  );
}
