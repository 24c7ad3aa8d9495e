/** The runs: the table, which is the legend, and beside it the charts of what it shows. */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { ChartsView } from "../charts/view";
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
import { HelpButton, Toolbar } from "./toolbar";

export function RunsView() {
  // Before the page is laid out: what is drawn at once is laid out once, and keys work once it is seen.
  useLayoutEffect(follow, []);
  useLayoutEffect(() => {
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
      <div class="runs-above">
        <Toolbar />
        <PartsChoice />
        <HelpButton />
      </div>
      <Split table={table} charts={<Charts />} />
    </>
  );
}

/** The charts, once the table is on the screen: laying out all of them at once would keep it waiting. */
function Charts() {
  const [isTime, begin] = useState(false);
  useEffect(() => {
    let timer = 0;
    const frame = requestAnimationFrame(() => (timer = window.setTimeout(() => begin(true)))); // behind what it paints
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, []);
  return isTime ? <ChartsView /> : null;
}

function NothingFound() {
  return (
    <div class="nothing">
      <p>No run fits the search.</p>
      <button onClick={() => setQuery({ q: null })}>Search for nothing</button>
    </div>
  );
}
