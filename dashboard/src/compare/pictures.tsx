/** Pictures and films of runs, side by side, of one step. */

import { stepOfRoute } from "../run/cursor";
import type { Evidence } from "../run/evidence";
import { Frames } from "../run/frames";
import { Swatch } from "./chosen";

export function SideBySide({ chosen, evidence }: { chosen: readonly string[]; evidence: readonly Evidence[] }) {
  const step = stepOfRoute();
  const names = [...new Set(evidence.flatMap(({ series }) => series.map(({ name }) => name)))];
  if (names.length === 0) return <p class="nothing">None of these runs has logged a picture.</p>;
  return (
    <div class="scrolled" tabIndex={0} role="region" aria-label="Pictures side by side">
      {names.map((name) => (
        <section key={name} aria-label={name}>
          <h2>{name}</h2>
          <div class="row" style={{ gridTemplateColumns: `repeat(${chosen.length}, minmax(12rem, 24rem))` }}>
            {chosen.map((run, at) => {
              const series = evidence[at]?.series.find((one) => one.name === name);
              const title = (
                <>
                  <Swatch run={run} /> {run}
                </>
              );
              return series ? <Frames key={run} series={series} step={step} title={title} /> : <Without key={run} run={run} />;
            })}
          </div>
        </section>
      ))}
    </div>
  );
}

function Without({ run }: { run: string }) {
  return (
    <article class="card">
      <header>
        <span class="title">
          <Swatch run={run} /> {run}
        </span>
      </header>
      <p class="soft">Has none of it.</p>
    </article>
  );
}
