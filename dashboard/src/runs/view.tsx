/** The runs: which there are, and which of them are found. */

import { hashOf, setQuery } from "../route";
import { found, query } from "../state";

const FIRST = 200;

export function RunsView() {
  return (
    <section aria-label="Runs">
      <input
        type="search"
        aria-label="Search runs"
        value={query.value}
        onInput={(event) => setQuery({ q: event.currentTarget.value })}
      />
      <ul>
        {found.value.slice(0, FIRST).map((run) => (
          <li key={run.run}>
            <a href={hashOf("run", run.run)}>{run.run}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
