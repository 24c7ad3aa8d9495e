/** All metrics of the runs that are drawn, by the prefix of their keys. */

import type { ComponentChildren } from "preact";
import { route, setQuery } from "../route";
import { formatCount } from "../runs/values";
import { Chart } from "./chart";
import { isBanded, legendOf, MANY_RUNS } from "./compose";
import "./early";
import type { KeyGroup } from "./groups";
import { Legend } from "./legend";
import { ExportMenu } from "./menu";
import { PanelsOfRuns } from "./panels";
import { setRange, setX, settings, toggleIn, type Mode } from "./settings";
import { shown } from "./shown";
import { isOpen, keyGroups, nameOfGroup, openKeys, specOf } from "./specs";
import "./charts.css";

export function ChartsView() {
  const { keys, runs, total } = shown.value;
  const groups = keyGroups.value;
  const charts = () => openKeys().map((key) => ({ spec: specOf(key), runs: shown.value.runs, range: settings.value.range }));
  return (
    <section class="charts" aria-label="Charts">
      <h1 class="unseen">Charts</h1>
      <Tools>
        <ExportMenu name="all charts" charts={charts} />
      </Tools>
      {total > runs.length && (
        <p class="few" role="status">
          These are the {runs.length} runs that began last, of {formatCount(total)}: search, or select, to see others.
        </p>
      )}
      <RunsLegend />
      <PanelsOfRuns />
      {groups.map((group) => (
        <Group key={group.prefix} group={group} isFirst={group === groups[0]} />
      ))}
      {groups.length === 0 && <p class="empty">{keys.length === 0 ? "No metrics to draw yet." : "No metric has such a key."}</p>}
    </section>
  );
}

/** Where the table, which is the legend, is not beside the charts. */
function RunsLegend() {
  const spec = specOf("");
  const { runs, groups } = shown.value;
  if (route.value.view !== "charts" || groups.size > 0 || isBanded(spec, runs)) return null;
  return <Legend items={legendOf(spec, runs)} />;
}

/** So many charts are in view at first, whatever the size of the window. */
const FIRST = 2;

function Group({ group, isFirst }: { group: KeyGroup; isFirst: boolean }) {
  const name = nameOfGroup(group);
  return (
    <section aria-label={name}>
      <h2>
        <button class="quiet" aria-expanded={isOpen(group)} onClick={() => toggleIn("shut", name)}>
          <span aria-hidden="true">{isOpen(group) ? "▾" : "▸"}</span>
          {name} <span class="count">{group.keys.length}</span>
        </button>
      </h2>
      {isOpen(group) && (
        <div class="grid">
          {group.keys.map((key, at) => (
            <OneChart key={key} name={key} isFirst={isFirst && at < FIRST} />
          ))}
        </div>
      )}
    </section>
  );
}

const HEIGHT = 240;
const LARGE = 480;

function OneChart({ name, isFirst }: { name: string; isFirst: boolean }) {
  const { range, large } = settings.value;
  const isLarge = large.has(name);
  const button = (
    <button class="quiet size" aria-label={`Large chart of ${name}`} aria-pressed={isLarge} title={isLarge ? "Smaller" : "Larger"} onClick={() => toggleIn("large", name)}>
      <span aria-hidden="true">{isLarge ? "⤡" : "⤢"}</span>
    </button>
  );
  return <Chart spec={specOf(name)} range={range} onRange={setRange} height={isLarge ? LARGE : HEIGHT} isWide={isLarge} isFirst={isFirst} actions={button} />;
}

const COLUMNS: [string, string][] = [
  ["_step", "step"],
  ["", "row"],
  ["_timestamp", "wall time"],
  ["_relative", "relative time"],
];

function Tools({ children }: { children: ComponentChildren }) {
  const { x, smooth, logX, logY, keys, mode, range } = settings.value;
  return (
    <div class="tools" role="group" aria-label="How charts are drawn">
      <input
        type="search"
        aria-label="Filter metrics by a regular expression"
        placeholder="Filter metrics: ^loss|acc"
        value={keys}
        onInput={(event) => setQuery({ keys: event.currentTarget.value })}
      />
      <span class="field">
        <label for="charts-x">x</label>
        <select id="charts-x" value={x} onChange={(event) => setX(event.currentTarget.value)}>
          {[...COLUMNS, ...shown.value.keys.map((key): [string, string] => [key, key])].map(([column, name]) => (
            <option key={column} value={column}>
              {name}
            </option>
          ))}
        </select>
      </span>
      <span class="field">
        <label for="charts-smooth">Smoothing</label>
        <input
          id="charts-smooth"
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smooth}
          onInput={(event) => setQuery({ smooth: event.currentTarget.value === "0" ? null : event.currentTarget.value })}
        />
        <output>{smooth.toFixed(2)}</output>
      </span>
      <Toggle name="logx" label="log x" isOn={logX} />
      <Toggle name="logy" label="log y" isOn={logY} />
      <span class="field">
        <label for="charts-runs">Runs</label>
        <select id="charts-runs" value={mode} onChange={(event) => setQuery({ lines: event.currentTarget.value === "auto" ? null : event.currentTarget.value })}>
          {MODES.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </span>
      {range && <button onClick={() => setRange(null)}>Show all of x</button>}
      <span class="gap" />
      {children}
    </div>
  );
}

const MODES: [Mode, string][] = [
  ["auto", `lines up to ${MANY_RUNS}, then a band`],
  ["lines", "each as a line"],
  ["bands", "mean with a band"],
];

function Toggle({ name, label, isOn }: { name: string; label: string; isOn: boolean }) {
  return (
    <label>
      <input type="checkbox" checked={isOn} onChange={() => setQuery({ [name]: isOn ? null : "1" })} />
      {label}
    </label>
  );
}
