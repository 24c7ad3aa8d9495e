/** The parameters of a run as a table that can be filtered. */

import { useState } from "preact/hooks";
import { matchesAll, namesOf, valueText } from "./values";

export function Parameters({ parameters }: { parameters: Record<string, unknown> }) {
  const [filter, search] = useState("");
  const matches = matchesAll(filter);
  const names = namesOf([parameters]);
  const shown = names.filter((name) => matches(name, valueText(parameters[name])));
  if (names.length === 0) {
    return (
      <p class="nothing">
        This run has no parameters: <code>logger.log_params(Args=vars(args))</code> stores them.
      </p>
    );
  }
  return (
    <>
      <div class="filetools">
        <input type="search" aria-label="Filter parameters" placeholder="Filter parameters" value={filter} onInput={(event) => search(event.currentTarget.value)} />
        <span class="soft" role="status">
          {shown.length} of {names.length}
        </span>
      </div>
      <div class="scrolled" tabIndex={0} role="region" aria-label="Table of parameters">
        <table>
          <thead>
            <tr>
              <th scope="col">Parameter</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((name) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{valueText(parameters[name], 2000)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
