/** Above the table: the search, what is selected, and what can be done with it. */

import { hashOf, setQuery } from "../route";
import { canWrite, found, hidden, listed, query, runs, selected } from "../state";
import { focusTable, put } from "./act";
import { ColumnMenu, GroupMenu } from "./choosers";
import { ask } from "./asked";
import { faultOf } from "./search";
import { formatCount } from "./values";

export function Toolbar() {
  const fault = faultOf(query.value);
  return (
    <div class="runs-tools">
      <div class="runs-search">
        <input
          type="search"
          aria-label="Search runs"
          placeholder="Search: words, lr<1e-3, tag:best, /loss/"
          spellcheck={false}
          autocomplete="off"
          value={query.value}
          aria-invalid={fault !== null}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
          onKeyDown={leave}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <span class="soft" role="status">
        {fault ? <span class="fault">{fault}</span> : counted()}
      </span>
      <GroupMenu />
      <ColumnMenu />
      {hidden.value.size > 0 && <button onClick={() => put("hide", [...hidden.value], false)}>Show {hidden.value.size} hidden</button>}
      <span class="gap" />
      {selected.value.size > 0 && <Selection />}
    </div>
  );
}

export function HelpButton() {
  return (
    <button class="quiet" aria-label="Keys and search" title="Keys and search (?)" onClick={() => ask("help", [])}>
      ?
    </button>
  );
}

/** Escape empties the search, then leaves it; Enter and the arrow go to the table. */
function leave(event: KeyboardEvent): void {
  const input = event.currentTarget as HTMLInputElement;
  if (event.key === "Escape" && input.value === "") input.blur();
  if (event.key === "Escape") setQuery({ q: null });
  if (event.key === "Enter" || event.key === "ArrowDown") focusTable();
  if (["Escape", "Enter", "ArrowDown"].includes(event.key)) event.preventDefault();
}

function counted(): string {
  const [some, all] = [found.value.length, runs.value.size];
  return some === all ? "" : `${formatCount(some)} of ${formatCount(all)}`;
}

function Selection() {
  const names = found.value.filter((run) => selected.value.has(run.run)).map((run) => run.run);
  const lost = selected.value.size - names.length;
  return (
    <div class="selection" role="group" aria-label="Selected runs">
      <span>
        {formatCount(names.length)} selected{lost > 0 && `, ${lost} not found`}
      </span>
      {names.length > 0 && <Actions names={names} />}
      <button onClick={() => put("sel", [...selected.value], false)}>Clear</button>
    </div>
  );
}

function Actions({ names }: { names: string[] }) {
  return (
    <>
      {names.length > 1 && <a href={hashOf("compare", "", { runs: listed(names) })}>Compare</a>}
      <button onClick={() => put("hide", names, true)}>Hide</button>
      <button onClick={() => put("pin", names, true)}>Pin</button>
      {canWrite.value && <button onClick={() => ask("edit", names)}>{names.length === 1 ? "Edit" : "Tags"}</button>}
      {canWrite.value && <button onClick={() => ask("delete", names)}>Delete</button>}
    </>
  );
}
