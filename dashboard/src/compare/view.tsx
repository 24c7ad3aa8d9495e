/** Runs beside each other: what differs in their parameters, curves, pictures and texts. */

import { useMemo } from "preact/hooks";
import { Chart } from "../charts/chart";
import { keysOf } from "../charts/groups";
import { useAnswer } from "../files/answer";
import "../files/files.css";
import { filesBelow } from "../files/listing";
import { StepBar } from "../run/cursor";
import { evidenceOf, stepsOf, type Evidence } from "../run/evidence";
import "../run/run.css";
import { Tabs, type Tab } from "../run/tabs";
import { hashOf } from "../route";
import { runs } from "../state";
import { Chosen, chosenRuns } from "./chosen";
import "./compare.css";
import { SideBySide } from "./pictures";
import { Differences } from "./table";
import { Texts } from "./texts";

/** Files of a run that are looked at. */
const MOST_FILES = 20_000;

export function CompareView() {
  const chosen = chosenRuns();
  return (
    <div class="compare">
      <Chosen chosen={chosen} />
      {chosen.length ? <Compared key={chosen.join()} chosen={chosen} /> : <Nothing />}
    </div>
  );
}

function Nothing() {
  return (
    <p class="nothing">
      Add runs above, or select some among <a href={hashOf("runs")}>all runs</a>, and compare them.
    </p>
  );
}

async function filesOf(run: string, signal: AbortSignal): Promise<Evidence> {
  const { entries } = await filesBelow(run, MOST_FILES, signal);
  return evidenceOf(run ? `${run}/` : "", entries);
}

function Compared({ chosen }: { chosen: readonly string[] }) {
  const { value: evidence, error } = useAnswer((signal) => Promise.all(chosen.map((run) => filesOf(run, signal))), []);
  const steps = useMemo(() => stepsOf((evidence ?? []).flatMap(({ series }) => series)), [evidence]);
  const pictures = new Set((evidence ?? []).flatMap(({ series }) => series.map(({ name }) => name))).size;
  const tabs: Tab[] = [
    { id: "differences", label: "Parameters", show: () => <Differences chosen={chosen} /> },
    { id: "curves", label: "Curves", show: () => <Curves chosen={chosen} /> },
    ...(evidence
      ? [
          { id: "pictures", label: "Pictures", count: pictures, show: () => <Framed steps={steps} chosen={chosen} evidence={evidence} /> },
          { id: "texts", label: "Text", show: () => <Texts chosen={chosen} evidence={evidence} /> },
        ]
      : []),
  ];
  return (
    <section class="side" aria-label="Comparison">
      {error && <p role="alert">{error}</p>}
      <Tabs tabs={tabs} label="What is compared" />
    </section>
  );
}

function Framed({ steps, chosen, evidence }: { steps: readonly number[]; chosen: readonly string[]; evidence: readonly Evidence[] }) {
  return (
    <>
      <StepBar steps={steps} />
      <SideBySide chosen={chosen} evidence={evidence} />
    </>
  );
}

function Curves({ chosen }: { chosen: readonly string[] }) {
  const known = runs.value;
  const keys = useMemo(() => keysOf(chosen.flatMap((name) => known.get(name) ?? [])), [known, chosen]);
  if (keys.length === 0) return <p class="nothing">None of these runs has logged a metric.</p>;
  return (
    <div class="cards">
      {keys.map((key) => (
        <Chart key={key} spec={{ keys: [key], runs: [...chosen], mode: "lines" }} height={220} />
      ))}
    </div>
  );
}
