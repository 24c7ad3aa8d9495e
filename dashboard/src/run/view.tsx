/** One run: its curves beside what it has logged else, of one step. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { getJson } from "../api";
import { Chart } from "../charts/chart";
import { keysOf } from "../charts/groups";
import { useAnswer, type Answer } from "../files/answer";
import "../files/files.css";
import { age, bytes, moment } from "../files/format";
import { Tree } from "../files/list";
import { filesBelow } from "../files/listing";
import { crumbs, type Listed } from "../files/tree";
import { hashOf, route } from "../route";
import { formatCount } from "../runs/values";
import { complete, listed, runs } from "../state";
import type { Run } from "../types";
import { StepBar, stepOfRoute } from "./cursor";
import { evidenceOf, stepsOf, type Evidence } from "./evidence";
import { Frames } from "./frames";
import type { HistogramSeries } from "./heat";
import { Histograms } from "./histograms";
import { Parameters } from "./parameters";
import "./run.css";
import { Tabs, type Tab } from "./tabs";
import { OneOf } from "./texts";

/** Files of a run that are looked at, and milliseconds between two looks while it logs. */
const MOST_FILES = 50_000;
const PAUSE = 1500;

export function RunView() {
  const { path } = route.value;
  const name = path.replace(/\/$/, "");
  return <OneRun key={name} name={name} />;
}

function OneRun({ name }: { name: string }) {
  const run = runs.value.get(name);
  const folder = name ? `${name}/` : "";
  const { value: files, error } = useFiles(name, run);
  const evidence = useMemo(() => evidenceOf(folder, files?.entries ?? []), [files]);
  const histograms = useHistograms(evidence.histograms);
  const steps = useMemo(() => stepsOf(evidence.series, (histograms.value ?? []).flatMap(({ histograms: all }) => all.flatMap(({ step }) => step ?? []))), [evidence, histograms]);
  if (!run && complete.value && files?.entries.length === 0) return <Missing name={name} />;
  const tabs = tabsOf({ run, name, folder, evidence, histograms });
  return (
    <div class="run">
      <Head name={name} run={run} />
      <StepBar steps={steps} />
      {error && <p role="alert">{error}</p>}
      {files?.cut && <p class="soft note">Only the first {formatCount(MOST_FILES)} files are looked at here; Files has all.</p>}
      <div class="columns">
        {run && <Curves run={run} />}
        <section class="side" aria-label="Evidence">
          <Tabs tabs={tabs} label="What was logged" />
        </section>
      </div>
    </div>
  );
}

function Missing({ name }: { name: string }) {
  return (
    <p class="nothing">
      There is no run <code>{name}</code>. <a href={hashOf("runs")}>All runs</a>
    </p>
  );
}

/** The files of a run, without those of runs inside of it; looked at again when it has logged something. */
function useFiles(name: string, run: Run | undefined) {
  const now = `${run?.updated} ${run?.size}`;
  const [about, look] = useState(now);
  const last = useRef(0);
  useEffect(() => {
    if (now === about) return;
    const timer = setTimeout(() => look(now), Math.max(0, last.current + PAUSE - performance.now()));
    return () => clearTimeout(timer);
  }, [now, about]);
  return useAnswer(
    async (signal) => {
      last.current = performance.now();
      const { entries, cut } = await filesBelow(name, MOST_FILES, signal);
      const inner = [...runs.peek().keys()].filter((other) => other !== name && (name === "" || other.startsWith(`${name}/`)));
      const within = (key: string) => inner.some((other) => key.startsWith(`${other}/`));
      return { entries: inner.length ? entries.filter(([key]) => !within(key)) : entries, cut };
    },
    [name, about],
    true,
  );
}

async function histogramsIn(key: string): Promise<HistogramSeries[]> {
  const asked = new URLSearchParams({ key, points: "200" });
  return (await getJson<{ series: HistogramSeries[] }>(`v1/histograms?${asked.toString()}`)).series;
}

function useHistograms(file: Listed | null): Answer<HistogramSeries[]> {
  const [key, size, mtime] = file ?? [];
  return useAnswer(async () => (key ? histogramsIn(key) : []), [key, size, mtime], true);
}

function Head({ name, run }: { name: string; run: Run | undefined }) {
  return (
    <header class="about">
      <h1>
        {name ? (
          crumbs(name).map(([part, key], at, all) => (
            <span key={key}>
              {at > 0 && <span class="soft"> / </span>}
              {at + 1 < all.length ? <a href={hashOf("runs", "", { q: key })}>{part}</a> : part}
            </span>
          ))
        ) : (
          <span>The data folder</span>
        )}
      </h1>
      {run && <State run={run} />}
      <span class="gap" />
      <a href={hashOf("files", name ? `${name}/` : "")}>Files</a>
      <a href={hashOf("report", name)}>Report</a>
      <a href={hashOf("compare", "", { runs: listed([name]) })}>Compare</a>
      {run?.note && <p class="remark">{run.note}</p>}
    </header>
  );
}

function State({ run }: { run: Run }) {
  const { status, alive, rows, size, updated, duration, tags } = run;
  return (
    <>
      {status && <span class={`chip ${status}`}>{status}</span>}
      {alive !== null && <span class={`chip ${alive ? "alive" : "silent"}`}>{alive ? "● alive" : "○ no sign of life"}</span>}
      {tags.map((tag) => (
        <span key={tag} class="chip">
          {tag}
        </span>
      ))}
      <span class="soft" title={moment(updated)}>
        {formatCount(rows)} rows · {bytes(size)} · {age(updated)}
        {duration !== null && ` · ran ${lasting(duration)}`}
      </span>
    </>
  );
}

function lasting(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function Curves({ run }: { run: Run }) {
  const keys = keysOf([run]);
  if (keys.length === 0) return null;
  return (
    <section class="curves" aria-label="Curves" tabIndex={0}>
      {keys.map((key) => (
        <Chart key={key} spec={{ keys: [key], runs: [run.run] }} height={170} />
      ))}
    </section>
  );
}

interface Parts {
  run: Run | undefined;
  name: string;
  folder: string;
  evidence: Evidence;
  histograms: Answer<HistogramSeries[]>;
}

function tabsOf({ run, folder, evidence, histograms }: Parts): Tab[] {
  const { series, logs, code, changes } = evidence;
  const parameters = run?.parameters ?? {};
  const files = (id: string, label: string, all: readonly Listed[], one: string): Tab[] =>
    all.length ? [{ id, label, count: all.length, show: () => <OneOf files={all} folder={folder} label={one} /> }] : [];
  const shown: Tab = { id: "seen", label: "Pictures", count: series.length, show: () => <Pictures evidence={evidence} /> };
  const bins: Tab = { id: "histograms", label: "Histograms", ...(histograms.value ? { count: histograms.value.length } : {}), show: () => <AllHistograms found={histograms} /> };
  return [
    ...(series.length ? [shown] : []),
    ...(evidence.histograms ? [bins] : []),
    ...files("log", "Log", logs, "Log"),
    { id: "parameters", label: "Parameters", count: Object.keys(parameters).length, show: () => <Parameters parameters={parameters} /> },
    ...files("diff", "Diff", changes, "Changes"),
    ...files("code", "Code and text", code, "File"),
    { id: "files", label: "Files", count: evidence.count, show: () => <AllFiles folder={folder} about={evidence.count} /> },
  ];
}

function Pictures({ evidence }: { evidence: Evidence }) {
  const step = stepOfRoute();
  return (
    <div class="cards">
      {evidence.series.map((series) => (
        <Frames key={`${series.medium} ${series.name}`} series={series} step={step} />
      ))}
    </div>
  );
}

function AllHistograms({ found: { value, error } }: { found: Answer<HistogramSeries[]> }) {
  const step = stepOfRoute();
  if (error && !value) return <p role="alert">{error}</p>;
  if (!value) return <p class="nothing">Reading the histograms…</p>;
  return (
    <div class="cards">
      {value.map((series) => (
        <Histograms key={series.name} series={series} step={step} />
      ))}
    </div>
  );
}

function AllFiles({ folder, about }: { folder: string; about: number }) {
  return <Tree top={folder} file={null} filter="" fresh={about} address={(key) => hashOf("files", key)} />;
}
