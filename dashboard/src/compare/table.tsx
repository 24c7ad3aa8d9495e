/** Parameters and last values of runs, side by side; by default those that differ. */

import { useMemo, useState } from "preact/hooks";
import { route, setQuery } from "../route";
import { differing, matchesAll, namesOf, valueText } from "../run/values";
import { runs } from "../state";
import { Swatch } from "./chosen";

type Rows = readonly Record<string, unknown>[];

export function Differences({ chosen }: { chosen: readonly string[] }) {
  const known = runs.value;
  const parameters = useMemo(() => chosen.map((name) => known.get(name)?.parameters ?? {}), [known, chosen.join()]);
  const metrics = useMemo(
    () => chosen.map((name) => Object.fromEntries(Object.entries(known.get(name)?.metrics ?? {}).map(([key, [last]]) => [key, last]))),
    [known, chosen.join()],
  );
  const [filter, search] = useState("");
  const isAll = route.value.query.has("all");
  return (
    <>
      <div class="filetools">
        <input type="search" aria-label="Filter parameters and metrics" placeholder="Filter by name or value" value={filter} onInput={(event) => search(event.currentTarget.value)} />
        <label>
          <input type="checkbox" checked={isAll} onChange={() => setQuery({ all: isAll ? null : "1" })} /> Also what is the same
        </label>
      </div>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Table of differences">
        <table class="side-by-side">
          <thead>
            <tr>
              <th scope="col">Parameter</th>
              {chosen.map((name) => (
                <th key={name} scope="col" title={name}>
                  <Swatch run={name} /> {name}
                </th>
              ))}
            </tr>
          </thead>
          <Part rows={parameters} filter={filter} isAll={isAll} none="All parameters are the same." />
          <tbody>
            <tr>
              <th scope="rowgroup" colSpan={chosen.length + 1} class="part">
                Last value of each metric
              </th>
            </tr>
          </tbody>
          <Part rows={metrics} filter={filter} isAll={isAll} none="All metrics ended the same." />
        </table>
      </div>
    </>
  );
}

function Part({ rows, filter, isAll, none }: { rows: Rows; filter: string; isAll: boolean; none: string }) {
  const different = differing(rows);
  const matches = matchesAll(filter);
  const shown = namesOf(rows).filter((name) => (isAll || different.has(name)) && matches(name, rows.map((row) => valueText(row[name])).join(" ")));
  return (
    <tbody>
      {shown.map((name) => (
        <tr key={name} class={isAll && different.has(name) ? "differs" : undefined}>
          <th scope="row">
            {name}
            {isAll && different.has(name) && <span class="sign"> ≠</span>}
          </th>
          {rows.map((row, at) => (
            <td key={at}>{name in row ? valueText(row[name]) : <span class="soft">not set</span>}</td>
          ))}
        </tr>
      ))}
      {shown.length === 0 && (
        <tr>
          <td colSpan={rows.length + 1} class="soft">
            {filter ? "Nothing has such a name or value." : none}
          </td>
        </tr>
      )}
    </tbody>
  );
}
