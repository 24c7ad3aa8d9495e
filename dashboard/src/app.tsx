/** The frame of the page: where one can go, the state of the connection, and the view of the route. */

import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { ChartsView } from "./charts/view";
import { lazily } from "./lazy";
import { endSession } from "./api";
import { begin, connected } from "./live";
import { Login } from "./login";
import { hashOf, route } from "./route";
import { formatCount } from "./runs/values";
import { RunsView } from "./runs/view";
import { complete, isLetIn, runs, session } from "./state";
import { ThemeSwitch } from "./theme";

/** A view of the page; the key is the first word of the route. */
const VIEWS: Record<string, ComponentType> = {
  runs: RunsView,
  charts: ChartsView,
  run: lazily(() => import("./run/view").then((module) => module.RunView)),
  compare: lazily(() => import("./compare/view").then((module) => module.CompareView)),
  files: lazily(() => import("./files/view").then((module) => module.FilesView)),
  report: lazily(() => import("./reports/view").then((module) => module.ReportsView)),
  trash: lazily(() => import("./trash/view").then((module) => module.TrashView)),
};

const PLACES: [string, string][] = [
  ["runs", "Runs"],
  ["charts", "Charts"],
  ["compare", "Compare"],
  ["files", "Files"],
  ["report", "Reports"],
  ["trash", "Trash"],
];

export function App() {
  if (!session.value) return null;
  return isLetIn.value ? <Page /> : <Login />;
}

function Page() {
  useEffect(() => void begin(), []);
  const View = VIEWS[route.value.view] ?? RunsView;
  return (
    <>
      <header class="bar">
        <a class="name" href={hashOf("runs")}>
          ML-Logger
        </a>
        <nav aria-label="Views">
          {PLACES.map(([view, label]) => (
            <a key={view} href={hashOf(view)} aria-current={route.value.view === view ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <span class="gap" />
        <Connection />
        <ThemeSwitch />
        {session.value?.required && <Leave name={session.value.name} />}
      </header>
      <main>
        <View />
      </main>
    </>
  );
}

/** End the session; what the page knows goes with it. */
function Leave({ name }: { name: string | null }) {
  const leave = async () => {
    await endSession();
    location.reload();
  };
  return (
    <button class="quiet" onClick={() => void leave()} title={name === null ? undefined : `Logged in as ${name}`}>
      Log out
    </button>
  );
}

function Connection() {
  const count = `${formatCount(runs.value.size)} ${runs.value.size === 1 ? "run" : "runs"}`;
  return (
    <span class="connection" role="status">
      {complete.value ? count : `${count}, looking for more`}
      {" · "}
      {connected.value ? "live" : "not connected"}
    </span>
  );
}
