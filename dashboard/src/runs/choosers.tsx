/** Which columns are shown, and what runs are grouped by. */

import { useState } from "preact/hooks";
import { setQuery } from "../route";
import { chosen, differs, every, parse, usual } from "./columns";
import { Menu } from "./menu";
import { choice, group, scanned, setList } from "./shown";

/** More lines than this are not listed: a word narrows them down. */
const MOST = 150;

interface Item {
  id: string;
  label: string;
  hint: string;
  isChecked: boolean;
}

function Checklist({ items, change }: { items: Item[]; change: (id: string, isIn: boolean) => void }) {
  const [word, look] = useState("");
  const fitting = items.filter(({ label }) => label.toLowerCase().includes(word.toLowerCase()));
  const left = fitting.length - MOST;
  return (
    <>
      <input type="search" aria-label="Narrow the list" placeholder="Narrow the list" value={word} onInput={(event) => look(event.currentTarget.value)} />
      <ul>
        {fitting.slice(0, MOST).map(({ id, label, hint, isChecked }) => (
          <li key={id}>
            <label>
              <input type="checkbox" checked={isChecked} onChange={(event) => change(id, event.currentTarget.checked)} />
              <span class="what">{label}</span>
              <span class="soft">{hint}</span>
            </label>
          </li>
        ))}
      </ul>
      {left > 0 && <p class="soft">{left} more: narrow the list.</p>}
      {fitting.length === 0 && <p class="soft">Nothing fits.</p>}
    </>
  );
}

const HINTS: Record<string, string> = { field: "of the run", param: "parameter", last: "last", min: "least", max: "greatest" };

function columnItems(): Item[] {
  const shown = new Set(chosen(scanned.value, choice.value));
  return every(scanned.value).map((id) => {
    const { kind, name } = parse(id);
    const isSame = kind === "param" && !differs(scanned.value, name);
    return { id, label: name, hint: isSame ? "same in all" : (HINTS[kind] ?? ""), isChecked: shown.has(id) };
  });
}

/** Note a choice only where it is not what is usual. */
function chooseColumn(id: string, isIn: boolean): void {
  const next = new Set(choice.value);
  next.delete(id);
  next.delete(`-${id}`);
  if (usual(scanned.value).includes(id) !== isIn) next.add(isIn ? id : `-${id}`);
  setList("cols", next);
}

export function ColumnMenu() {
  return (
    <Menu label="Columns" title="Columns">
      {() => (
        <>
          <Checklist items={columnItems()} change={chooseColumn} />
          <button disabled={choice.value.size === 0} onClick={() => setQuery({ cols: null })}>
            The usual columns
          </button>
        </>
      )}
    </Menu>
  );
}

function groupItems(): Item[] {
  const names = [...scanned.value.parameters.keys()].sort((one, other) => Number(differs(scanned.value, other)) - Number(differs(scanned.value, one)));
  const by = new Set(group.value);
  return [
    ...names.map((name) => ({ id: name, label: name, hint: differs(scanned.value, name) ? "" : "same in all", isChecked: by.has(name) })),
    { id: "status", label: "status", hint: "of the run", isChecked: by.has("status") },
    { id: "tags", label: "tags", hint: "of the run", isChecked: by.has("tags") },
  ];
}

export function GroupMenu() {
  const by = group.value;
  const change = (id: string, isIn: boolean) => {
    setQuery({ fold: null });
    setList("group", isIn ? [...by, id] : by.filter((other) => other !== id));
  };
  const label = by.length === 0 ? "Group" : `By ${by.length === 1 ? by[0]?.split(".").at(-1) : `${by.length} parameters`}`;
  return (
    <Menu label={label} title="Group runs by">
      {() => (
        <>
          <Checklist items={groupItems()} change={change} />
          <button disabled={by.length === 0} onClick={() => setQuery({ group: null, fold: null })}>
            No groups
          </button>
        </>
      )}
    </Menu>
  );
}
