/** The blocks of a report, filled with what there is now, and with what comes. */

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { getJson } from "../api";
import { Chart, type ChartSpec } from "../charts/chart";
import { isBanded } from "../charts/compose";
import { useAnswer } from "../files/answer";
import { kindOf, nameOf } from "../files/kinds";
import { fileEntry, type Page } from "../files/listing";
import { Picture, Video } from "../files/preview";
import type { Listed } from "../files/tree";
import { watch } from "../live";
import { hashOf } from "../route";
import { formatDuration, formatNumber, formatTime } from "../runs/values";
import { complete, runs, styleOf } from "../state";
import type { Run } from "../types";
import { cell, columnsOf, groupsBy, keyOf, pick, shortNames, sorted, valueOf } from "./pick";
import { Fault, isGlob, isOn, keyFrom, numberIn, one, parseFields, wordIn, type Fields, type Kind } from "./spec";

export interface BlockProps {
  kind: Kind;
  text: string;
  folder: string;
}

/** A block; what is wrong with its text is said in its place. */
export function Block({ kind, text, folder }: BlockProps) {
  const parsed = useMemo(() => attempt(() => parseFields(kind, text)), [kind, text]);
  if (parsed instanceof Fault) return <Wrong kind={kind}>{parsed.message}</Wrong>;
  const Shown = { chart: ChartBlock, table: TableBlock, image: ImageBlock, value: ValueBlock }[kind];
  return <Shown fields={parsed} folder={folder} />;
}

function attempt<Made>(make: () => Made): Made | Fault {
  try {
    return make();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

function Wrong({ kind, children }: { kind: string; children: ComponentChildren }) {
  return (
    <p class="wrong" role="note">
      This {kind} cannot be shown. {children}
    </p>
  );
}

interface Filled {
  fields: Fields;
  folder: string;
}

/** What a chart of a report shows, of the runs that there are now. */
export function chartOf(fields: Fields, folder: string, all: Iterable<Run>): ChartSpec & { runs: string[] } {
  const keys = fields.get("keys") ?? [];
  if (keys.length === 0) throw new Fault("A chart needs keys: the names of metrics.");
  const found = pick(fields, folder, all);
  const x = one(fields, "x");
  const title = one(fields, "title");
  const group = one(fields, "group");
  return {
    keys: [...keys],
    runs: found.map(({ run }) => run),
    ...(x === undefined ? {} : { x: { step: "_step", time: "_timestamp", relative: "_relative", row: "" }[x] ?? x }),
    ...(title === undefined ? {} : { title }),
    ...(group === undefined ? {} : { groups: groupsBy(group, found) }),
    smooth: numberIn(fields, "smooth", 0, 0.999) ?? 0,
    logX: isOn(fields, "logx"),
    logY: isOn(fields, "logy"),
    mode: wordIn(fields, "mode", ["auto", "lines", "bands"], "auto"),
  };
}

function ChartBlock({ fields, folder }: Filled) {
  const spec = attempt(() => chartOf(fields, folder, runs.value.values()));
  const height = attempt(() => numberIn(fields, "height", 100, 1000));
  if (spec instanceof Fault) return <Wrong kind="chart">{spec.message}</Wrong>;
  if (height instanceof Fault) return <Wrong kind="chart">{height.message}</Wrong>;
  if (spec.runs.length === 0) return <Nobody />;
  return (
    <>
      <Chart spec={spec} height={height ?? 280} />
      {!isBanded(spec, spec.runs) && spec.keys.length === 1 && <Legend runs={spec.runs} folder={folder} />}
    </>
  );
}

/** Which line is which: beside a report there is no table that says it. */
function Legend({ runs: names, folder }: { runs: readonly string[]; folder: string }) {
  const found = names.flatMap((name) => runs.value.get(name) ?? []);
  const short = shortNames(found, folder);
  return (
    <ul class="legend" aria-label="Lines">
      {found.map(({ run }) => (
        <li key={run}>
          <svg width="26" height="8" aria-hidden="true">
            <path d="M1 4h24" fill="none" stroke={styleOf(run).color} stroke-width="2" stroke-dasharray={styleOf(run).dash.join(" ")} />
          </svg>
          <a href={hashOf("run", run)}>{short.get(run)}</a>
        </li>
      ))}
    </ul>
  );
}

function Nobody() {
  return <p class="soft">{complete.value ? "There is no such run." : "Looking for runs."}</p>;
}

function TableBlock({ fields, folder }: Filled) {
  const found = attempt(() => pick(fields, folder, runs.value.values()));
  if (found instanceof Fault) return <Wrong kind="table">{found.message}</Wrong>;
  if (found.length === 0) return <Nobody />;
  const named = fields.get("columns");
  const columns = named ? [...new Set(["run", ...named])] : columnsOf(found);
  const names = shortNames(found, folder);
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label={one(fields, "title") ?? "Runs"}>
      <table>
        {fields.has("title") && <caption>{one(fields, "title")}</caption>}
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(found, fields.get("sort") ?? []).map((run) => (
            <tr key={run.run}>
              {columns.map((column) => (column === "run" ? <Named key={column} run={run} name={names.get(run.run) ?? run.run} /> : <Cell key={column} column={column} value={cell(run, column)} />))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Named({ run, name }: { run: Run; name: string }) {
  return (
    <th scope="row">
      <span class="dot" style={{ background: styleOf(run.run).color }} aria-hidden="true" />
      <a href={hashOf("run", run.run)}>{name}</a>
    </th>
  );
}

function Cell({ column, value }: { column: string; value: string | number | null }) {
  if (typeof value !== "number") return <td>{value}</td>;
  const text = column === "duration" ? formatDuration(value) : column === "updated" ? formatTime(value) : formatNumber(value);
  return (
    <td class="number" title={String(value)}>
      {text}
    </td>
  );
}

const MOST_PICTURES = 12;

function ImageBlock({ fields, folder }: Filled) {
  const texts = fields.get("keys") ?? [];
  const limit = attempt(() => numberIn(fields, "limit", 1, 100));
  const width = attempt(() => numberIn(fields, "width", 16, 4000));
  const [news, tell] = useState(0);
  const keys = texts.map((text) => keyFrom(folder, text));
  const files = useAnswer(() => entriesOf(keys, limit instanceof Fault ? MOST_PICTURES : (limit ?? MOST_PICTURES)), [keys.join("\n"), news], true);
  useEffect(() => watch({ files: keys.filter((key) => !isGlob(key)), onFile: (key) => keys.includes(key) && tell((n) => n + 1) }), [keys.join("\n")]);
  if (limit instanceof Fault || width instanceof Fault) return <Wrong kind="image">{[limit, width].map((fault) => (fault instanceof Fault ? fault.message : "")).join(" ")}</Wrong>;
  if (keys.length === 0) return <Wrong kind="image">An image needs keys: the names of files, beginning in the folder of the report.</Wrong>;
  if (files.error) return <Wrong kind="image">{files.error}</Wrong>;
  if (files.value?.length === 0) return <Wrong kind="image">There is no file {keys.join(", ")}.</Wrong>;
  return (
    <figure class="pictures">
      <div class="row" style={width === undefined ? {} : { "--width": `${width}px` }}>
        {files.value?.map((entry) => <Shot key={entry[0]} entry={entry} />)}
      </div>
      {fields.has("caption") && <figcaption>{one(fields, "caption")}</figcaption>}
    </figure>
  );
}

async function entriesOf(keys: readonly string[], limit: number): Promise<Listed[]> {
  const found: Listed[] = [];
  for (const key of keys) {
    if (isGlob(key)) found.push(...(await getJson<Page>(`v1/entries?${new URLSearchParams({ pattern: key, limit: String(limit) }).toString()}`)).entries);
    else found.push(...[await fileEntry(key)].filter((entry) => entry !== undefined));
  }
  return found.slice(0, limit);
}

function Shot({ entry: [file, size, version] }: { entry: Listed }) {
  const kind = kindOf(file);
  if (kind === "image" || kind === "drawing") return <Picture file={file} size={size} version={version} />;
  if (kind === "video") return <Video file={file} size={size} version={version} />;
  return <a href={hashOf("files", file)}>{nameOf(file)}</a>;
}

function ValueBlock({ fields, folder }: Filled) {
  const found = attempt(() => {
    const best = wordIn(fields, "best", ["none", "min", "max"], "none");
    const stat = wordIn(fields, "stat", ["last", "min", "max"], best === "none" ? "last" : best);
    const digits = numberIn(fields, "digits", 1, 17);
    return { digits, key: keyOf(fields), of: valueOf(pick(fields, folder, runs.value.values(), Infinity), keyOf(fields), stat, best === "none" ? null : best) };
  });
  if (found instanceof Fault) return <Wrong kind="value">{found.message}</Wrong>;
  if (!found.of) return <Nobody />;
  const { run, value } = found.of;
  return (
    <p class="value">
      <strong title={String(value)}>{found.digits === undefined ? formatNumber(value) : String(Number(value.toPrecision(found.digits)))}</strong>
      <span>{one(fields, "label") ?? found.key}</span>
      {run.run !== folder && (
        <a class="soft" href={hashOf("run", run.run)}>
          {shortNames([run], folder).get(run.run)}
        </a>
      )}
    </p>
  );
}
