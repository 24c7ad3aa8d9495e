/** What a `.charts.yml` asks for: lines, and files of the runs that are drawn. */

import { fileAddress, getBytes, getJson } from "../api";
import { useAnswer } from "../files/answer";
import { literal } from "../files/kinds";
import { hashOf } from "../route";
import { Chart } from "./chart";
import type { ChartSpec } from "./compose";
import { columnOf } from "./groups";
import { setRange, settings } from "./settings";
import { shown } from "./shown";

export interface Panel {
  type: "series" | "image" | "video" | "file";
  title: string | null;
  keys: string[];
  x: string | null;
  glob: string | null;
}

interface Panels {
  key: string | null;
  panels: Panel[];
  fault: string | null;
}

/** The panels of the first run that is drawn: those of its folder, or of one above it. */
export function PanelsOfRuns() {
  const folder = shown.value.runs[0];
  if (folder === undefined) return null;
  return <PanelsOf folder={folder} />;
}

function PanelsOf({ folder }: { folder: string }) {
  const { value } = useAnswer(() => getJson<Panels>(`v1/panels?${new URLSearchParams({ folder }).toString()}`), [folder], true);
  if (!value || value.key === null) return null;
  const { key, panels, fault } = value;
  return (
    <section aria-label="Panels">
      <h2 class="source">
        Panels of <a href={hashOf("files", key)}>{key}</a>
      </h2>
      {fault !== null && <p role="alert">{fault}</p>}
      <div class="grid">
        {panels.map((panel, at) => (panel.type === "series" ? <Lines key={at} panel={panel} /> : <Files key={at} panel={panel} />))}
      </div>
    </section>
  );
}

/** The chart of a panel, drawn as the page says where the panel says nothing. */
export function specOf({ keys, x, title }: Panel): ChartSpec {
  const { x: own, smooth, logX, logY, mode } = settings.value;
  return { keys, runs: shown.value.runs as string[], x: x === null ? own : columnOf(x), smooth, logX, logY, mode, ...(title === null ? {} : { title }) };
}

function Lines({ panel }: { panel: Panel }) {
  const isPage = panel.x === null || columnOf(panel.x) === settings.value.x;
  return <Chart spec={specOf(panel)} {...(isPage ? { range: settings.value.range, onRange: setRange } : {})} />;
}

/** Runs whose files are shown, and files that are looked at for the last one. */
const MOST_RUNS = 12;
const MOST_FILES = 1000;

function Files({ panel }: { panel: Panel }) {
  const title = panel.title ?? panel.glob ?? "";
  return (
    <figure class="chart files" aria-label={title}>
      <figcaption>
        <span class="title">{title}</span>
      </figcaption>
      <div class="shown" tabIndex={0} role="group" aria-label={title}>
        {shown.value.runs.slice(0, MOST_RUNS).map((run) => (
          <LastFile key={run} run={run} panel={panel} />
        ))}
      </div>
    </figure>
  );
}

/** The last of the files of a run that a panel asks for: that of the last step, as they are sorted. */
function LastFile({ run, panel: { type, glob } }: { run: string; panel: Panel }) {
  const pattern = `${run ? `${literal(run)}/` : ""}${glob ?? ""}`;
  const asked = new URLSearchParams({ pattern, limit: String(MOST_FILES) }).toString();
  const { value, error } = useAnswer(async () => (await getJson<{ entries: [string][] }>(`v1/entries?${asked}`)).entries.at(-1)?.[0] ?? null, [asked]);
  if (error !== undefined) return <p role="alert">{error}</p>;
  if (!value) return null;
  return (
    <div class="file">
      <a href={hashOf("files", value)} title={value}>
        {run ? value.slice(run.length + 1) : value} <span class="run">{run}</span>
      </a>
      {type === "image" && <img src={fileAddress(value)} alt={value} loading="lazy" />}
      {type === "video" && <video src={fileAddress(value)} controls preload="metadata" aria-label={value} />}
      {type === "file" && <Beginning file={value} />}
    </div>
  );
}

const BEGINNING = 4096;

function Beginning({ file }: { file: string }) {
  const { value, error } = useAnswer(async () => new TextDecoder().decode(await getBytes(file, 0, BEGINNING)), [file]);
  return <pre>{error ?? value ?? ""}</pre>;
}
