/** The runs: the table, which is the legend, and beside it the charts of what it shows. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { setQuery } from "../route";
import { complete, found, runs, version } from "../state";
import { Dialogs } from "./dialogs";
import { Empty } from "./empty";
import { onKey } from "./keys";
import { Message } from "./message";
import "./runs.css";
import { follow } from "./shown";
import { PartsChoice, Split } from "./split";
import { RunTable } from "./table";
import { Toolbar } from "./toolbar";

const CHARTS = import.meta.glob<{ ChartsView: ComponentType }>("../charts/view.tsx");

export function RunsView() {
  useEffect(follow, []);
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <section class="runs" aria-label="Runs">
      <Shown />
      <Message />
      <Dialogs />
    </section>
  );
}

function Shown() {
  if (runs.value.size === 0) return complete.value ? <Empty /> : <p class="nothing">{version.value === null ? "Asking the server…" : "Looking for runs…"}</p>;
  const table = found.value.length > 0 ? <RunTable /> : <NothingFound />;
  return (
    <>
      <div class="above">
        <Toolbar />
        {HAS_CHARTS && <PartsChoice />}
      </div>
      {HAS_CHARTS ? <Split table={table} charts={<Charts />} /> : table}
    </>
  );
}

const HAS_CHARTS = Object.keys(CHARTS).length > 0;

function NothingFound() {
  return (
    <div class="nothing">
      <p>No run fits the search.</p>
      <button onClick={() => setQuery({ q: null })}>Search for nothing</button>
    </div>
  );
}

/** The charts come when they are needed: the table is there first. */
function Charts() {
  const [View, show] = useState<ComponentType | null>(null);
  useEffect(() => {
    for (const load of Object.values(CHARTS)) void load().then(({ ChartsView }) => show(() => ChartsView));
  }, []);
  return View ? <View /> : <p class="nothing">Loading the charts…</p>;
}
