/** Which runs are compared: each can be taken out, and others come in by name. */

import { hashOf, route, setQuery } from "../route";
import { listed, runs, selected, styleOf } from "../state";

/** The runs of the address; the selected ones where it names none. */
export function chosenRuns(): string[] {
  const named = (route.value.query.get("runs") ?? "").split(",").filter(Boolean).map(decodeURIComponent);
  return named.length ? [...new Set(named)] : [...selected.value];
}

/** Names of runs that are offered at once. */
const OFFERED = 300;

export function Chosen({ chosen }: { chosen: readonly string[] }) {
  const set = (names: readonly string[]) => setQuery({ runs: listed(names), sel: null });
  const add = (event: { currentTarget: HTMLInputElement }) => {
    const { value } = event.currentTarget;
    if (!value || !runs.value.has(value) || chosen.includes(value)) return;
    event.currentTarget.value = "";
    set([...chosen, value]);
  };
  const others = [...runs.value.keys()].filter((name) => !chosen.includes(name)).slice(0, OFFERED);
  return (
    <header class="about">
      <h1>Compare</h1>
      <ul class="chosen">
        {chosen.map((name) => (
          <li key={name}>
            <Swatch run={name} />
            <a href={hashOf("run", name)}>{name}</a>
            <button class="quiet" aria-label={`Take ${name} out`} onClick={() => set(chosen.filter((other) => other !== name))}>
              ✕
            </button>
          </li>
        ))}
      </ul>
      <input list="otherruns" aria-label="Add a run" placeholder="Add a run" onInput={add} onChange={add} />
      <datalist id="otherruns">
        {others.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </header>
  );
}

/** The line that stands for a run in charts. */
export function Swatch({ run }: { run: string }) {
  const { color, dash } = styleOf(run);
  return (
    <svg class="stroke" width="26" height="10" aria-hidden="true">
      <line x1="0" y1="5" x2="26" y2="5" stroke={color} stroke-width="3" stroke-dasharray={dash.join(" ")} />
    </svg>
  );
}
