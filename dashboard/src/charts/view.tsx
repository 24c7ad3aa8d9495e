/** All metrics of the runs that are drawn, by the prefix of their keys. */

import { useMemo } from "preact/hooks";
import { setQuery } from "../route";
import { Chart } from "./chart";
import { MANY_RUNS } from "./compose";
import { grouped, keyFilter, type KeyGroup } from "./groups";
import { setRange, setShut, setX, settings, type Mode } from "./settings";
import { shown } from "./shown";
import "./charts.css";

export function ChartsView() {
  const { keys } = shown.value;
  const filter = settings.value.keys;
  const groups = useMemo(() => grouped(keys.filter(keyFilter(filter))), [keys, filter]);
  return (
    <section class="charts" aria-label="Charts">
      <Tools />
      {groups.map((group) => (
        <Group key={group.prefix} group={group} />
      ))}
      {groups.length === 0 && <p class="empty">{keys.length === 0 ? "No metrics to draw yet." : "No metric has such a key."}</p>}
    </section>
  );
}

function Group({ group: { prefix, keys } }: { group: KeyGroup }) {
  const { shut, range, x, smooth, logX, logY, mode } = settings.value;
  const { runs } = shown.value;
  const isOpen = !shut.has(prefix || "metrics");
  const toggle = () => {
    const next = new Set(shut);
    if (isOpen) next.add(prefix || "metrics");
    else next.delete(prefix || "metrics");
    setShut(next);
  };
  return (
    <section aria-label={prefix || "metrics"}>
      <h2>
        <button class="quiet" aria-expanded={isOpen} onClick={toggle}>
          <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span>
          {prefix || "metrics"} <span class="count">{keys.length}</span>
        </button>
      </h2>
      {isOpen && (
        <div class="grid">
          {keys.map((key) => (
            <Chart key={key} spec={{ keys: [key], runs: runs as string[], x, smooth, logX, logY, mode }} range={range} onRange={setRange} />
          ))}
        </div>
      )}
    </section>
  );
}

const COLUMNS: [string, string][] = [
  ["_step", "step"],
  ["", "row"],
  ["_timestamp", "wall time"],
  ["_relative", "relative time"],
];

function Tools() {
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
      <label>
        x
        <select value={x} onChange={(event) => setX(event.currentTarget.value)}>
          {[...COLUMNS, ...shown.value.keys.map((key): [string, string] => [key, key])].map(([column, name]) => (
            <option key={column} value={column}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Smoothing
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smooth}
          onInput={(event) => setQuery({ smooth: event.currentTarget.value === "0" ? null : event.currentTarget.value })}
        />
        <output>{smooth.toFixed(2)}</output>
      </label>
      <Toggle name="logx" label="log x" isOn={logX} />
      <Toggle name="logy" label="log y" isOn={logY} />
      <label>
        Runs
        <select value={mode} onChange={(event) => setQuery({ lines: event.currentTarget.value === "auto" ? null : event.currentTarget.value })}>
          {MODES.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {range && <button onClick={() => setRange(null)}>Show all of x</button>}
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
