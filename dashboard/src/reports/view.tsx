/** Reports: the README.md of a folder, rendered, with blocks that live; edited in the page; kept as one file. */

import { useEffect, useRef, useState } from "preact/hooks";
import { getJson, getReport, Refused } from "../api";
import { fileEntry, type Page } from "../files/listing";
import { useKeys } from "../keyboard";
import { watch } from "../live";
import { hashOf, route } from "../route";
import { canWrite } from "../state";
import type { Report } from "../types";
import { readDraft, type Draft } from "./draft";
import { Editor } from "./editor";
import { exportReport } from "./export";
import { Rendered } from "./rendered";
import "./reports.css";

/** A report is a folder's README.md, unless a file is named. */
export function fileOf(path: string): { file: string; folder: string } {
  const key = path.replace(/\/+$/, "");
  if (/\.(md|markdown)$/i.test(key)) return { file: key, folder: key.slice(0, Math.max(0, key.lastIndexOf("/"))) };
  return { file: key ? `${key}/README.md` : "README.md", folder: key };
}

export function ReportsView() {
  const { file, folder } = fileOf(route.value.path);
  const [saved, count] = useState(0);
  return (
    <div class="reports">
      <Others now={file} saved={saved} />
      <Shown key={file} file={file} folder={folder} onSaved={() => count((n) => n + 1)} />
    </div>
  );
}

/** Loads a report, and again when its file changes; null where there is none. */
function useReport(file: string): { report: Report | null | undefined; fault: string; again: () => Promise<void> } {
  const [report, take] = useState<Report | null | undefined>(undefined);
  const [fault, say] = useState("");
  const asked = useRef(0);
  const newest = useRef<Promise<unknown>>(Promise.resolve());
  const again = async () => {
    const mine = ++asked.current;
    // Asked in two steps, as browsers report each 404 as an error, and no report is none.
    const ask = async () => ((await fileEntry(file)) ? getReport(file) : null);
    newest.current = ask().then(
      (found) => mine === asked.current && (say(""), take((known) => (known && known.etag === found?.etag ? known : found))),
      (error: unknown) => {
        if (mine !== asked.current) return;
        if (error instanceof Refused && error.status === 404) return say(""), take(null);
        say(error instanceof Error ? error.message : String(error));
      },
    );
    for (let last; last !== newest.current; ) await (last = newest.current); // what came meanwhile is newer
  };
  useEffect(() => {
    void again();
    return watch({ files: [file], onFile: (key) => key === file && void again() });
  }, [file]);
  return { report, fault, again };
}

function Shown({ file, folder, onSaved }: { file: string; folder: string; onSaved: () => void }) {
  const { report, fault, again } = useReport(file);
  const [draft, edit] = useState<Draft | null>(null);
  const place = useRef<HTMLElement>(null);
  const mayWrite = canWrite.value && /(^|\/)README\.md$/.test(file);
  const begin = () => edit(readDraft(file) ?? (report ? { text: report.text, etag: report.etag } : { text: starter(folder), etag: null }));
  useKeys(draft ? {} : { e: () => mayWrite && report !== undefined && begin() });
  useEffect(() => {
    if (report && mayWrite && readDraft(file)) begin();
  }, [report === undefined]);
  useAnchor(report?.html);
  const name = folder.split("/").at(-1) || "Report";
  if (draft) {
    const done = (isSaved: boolean) => {
      if (isSaved) onSaved();
      void again().then(() => edit(null)); // not before: nobody should see the text that was there
    };
    return (
      <section class="report editing" aria-label="Report">
        <Editor file={file} folder={folder} draft={draft} stored={report?.text ?? ""} onDone={done} />
      </section>
    );
  }
  return (
    <section class="report" ref={place} aria-label="Report">
      <div class="tools">
        <Crumbs folder={folder} />
        <span class="gap" />
        {mayWrite && report && (
          <button onClick={begin} title="e">
            Edit
          </button>
        )}
        {report && <ExportButton title={name} article={() => place.current?.querySelector("article") ?? null} />}
      </div>
      {fault && <p role="alert">{fault}</p>}
      {report && <Rendered html={report.html} folder={folder} label={name} />}
      {report === null && <None folder={folder} mayWrite={mayWrite} onBegin={begin} />}
    </section>
  );
}

function starter(folder: string): string {
  const name = folder.split("/").at(-1) || "Report";
  return `# ${name}\n\nWhat was tried, and what came out.\n\n\`\`\`chart\nkeys: loss\n\`\`\`\n\n\`\`\`table\n\`\`\`\n`;
}

function None({ folder, mayWrite, onBegin }: { folder: string; mayWrite: boolean; onBegin: () => void }) {
  return (
    <div class="none">
      <h1>No report here yet</h1>
      <p>
        A report is the file <code>{folder ? `${folder}/README.md` : "README.md"}</code>: Markdown with tables, formulas, and blocks that follow the runs below {folder ? "this folder" : "the data folder"}.
      </p>
      {mayWrite ? <button onClick={onBegin}>Begin a report</button> : <p class="soft">Your token is for reading: somebody who may write can begin one.</p>}
    </div>
  );
}

function Crumbs({ folder }: { folder: string }) {
  const parts = folder ? folder.split("/") : [];
  return (
    <nav class="crumbs" aria-label="Folder">
      <a href={hashOf("report")} aria-label="The data folder" aria-current={parts.length === 0 ? "page" : undefined}>
        ⌂
      </a>
      {parts.map((part, at) => (
        <span key={at}>
          <span aria-hidden="true"> / </span>
          <a href={hashOf("report", parts.slice(0, at + 1).join("/"))} aria-current={at + 1 === parts.length ? "page" : undefined}>
            {part}
          </a>
        </span>
      ))}
    </nav>
  );
}

function ExportButton({ title, article }: { title: string; article: () => HTMLElement | null }) {
  const [said, say] = useState("");
  const keep = () => {
    const shown = article();
    if (!shown) return;
    say("Exporting");
    exportReport(shown, title).then(
      () => say(""),
      (error: unknown) => say(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <>
      <span class="soft" role="status">
        {said}
      </span>
      <button onClick={keep}>Export as HTML</button>
    </>
  );
}

const MOST_LISTED = 200;

/** All reports that there are. */
function Others({ now, saved }: { now: string; saved: number }) {
  const [found, take] = useState<string[]>([]);
  useEffect(() => {
    const asked = new URLSearchParams({ pattern: "**/README.md", limit: String(MOST_LISTED) });
    getJson<Page>(`v1/entries?${asked.toString()}`).then(
      ({ entries }) => take(entries.map(([key]) => key)),
      () => undefined,
    );
  }, [now, saved]);
  if (found.length === 0) return null;
  return (
    <nav class="others" aria-label="Reports">
      {found.map((key) => {
        const { folder } = fileOf(key);
        return (
          <a key={key} href={hashOf("report", folder)} aria-current={key === now ? "page" : undefined}>
            {folder || "The data folder"}
          </a>
        );
      })}
    </nav>
  );
}

/** Scroll to the part that the address names. */
function useAnchor(html: string | undefined): void {
  const part = route.value.query.get("at");
  useEffect(() => {
    if (html && part) document.getElementById(`part-${part}`)?.scrollIntoView();
  }, [html, part]);
}
