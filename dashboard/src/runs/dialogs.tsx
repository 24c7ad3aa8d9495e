/** What is asked before something is changed: in native dialogs, which keep the focus and give it back. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { runs } from "../state";
import { asked } from "./asked";
import { remove, save, tagsIn } from "./edits";
import { usable } from "./keys";

export function Dialogs() {
  const about = asked.value;
  if (!about) return null;
  if (about.what === "help") return <Help />;
  return about.what === "edit" ? <Edit names={about.names} /> : <Delete names={about.names} />;
}

function Dialog({ title, isWide = false, children }: { title: string; isWide?: boolean; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const [own] = useState(asked.peek());
  const closed = () => {
    if (asked.value === own) asked.value = null; // the next may be open by now
  };
  useLayoutEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} class={isWide ? "asked wide" : "asked"} aria-labelledby="asked-title" onClose={closed}>
      <h2 id="asked-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** Close the dialog that something stands in. */
function close(event: Event): void {
  (event.currentTarget as Element).closest("dialog")?.close();
}

function Help() {
  return (
    <Dialog title="Keys and search" isWide>
      <button class="corner quiet" aria-label="Close" onClick={close} autofocus>
        ✕
      </button>
      <div class="columns">
        <dl class="keys">
          {usable().map(({ shown, what }) => (
            <div key={shown}>
              <dt>{shown.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <dl class="keys searches">
          {SEARCHES.map(([text, what]) => (
            <div key={text}>
              <dt>
                <code>{text}</code>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Dialog>
  );
}

const SEARCHES: [string, string][] = [
  ["robot seed=3", "Words in names, parameters, tags and notes: all of them"],
  ["lr<1e-3 loss<0.2", "A parameter, or the last value of a metric; also <= > >= = !="],
  ['env="door two"', "Quotes keep spaces"],
  ["tag:best note:why", "Contains"],
  ["status!=errored", "Also name, rows, size, duration"],
  ["/^eval/", "Metrics whose key fits the regular expression"],
];

function Delete({ names }: { names: string[] }) {
  const [first = ""] = names;
  return (
    <Dialog title={names.length === 1 ? `Delete ${first}?` : `Delete ${names.length} runs?`}>
      <p>Their folders go to the trash of the server, with all that is in them. It can be undone at once.</p>
      {names.length > 1 && <p class="names">{names.slice(0, 5).join(", ")}{names.length > 5 && ` and ${names.length - 5} more`}</p>}
      <div class="answers">
        <button onClick={close} autofocus>
          Cancel
        </button>
        <button
          class="danger"
          onClick={(event) => {
            close(event);
            void remove(names);
          }}
        >
          Delete
        </button>
      </div>
    </Dialog>
  );
}

function Edit({ names }: { names: string[] }) {
  const chosen = names.flatMap((name) => runs.peek().get(name) ?? []);
  const [one] = chosen;
  const isOne = chosen.length === 1 && one !== undefined;
  const [fault, say] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const told = new FormData(form);
    const wish = { to: isOne ? String(told.get("to")).trim() : null, tags: String(told.get("tags")), note: isOne ? String(told.get("note")) : null };
    const said = await save(chosen, wish);
    if (said === null) form.closest("dialog")?.close();
    else say(said);
  };
  return (
    <Dialog title={isOne ? `Edit ${one.run}` : `Tags of ${chosen.length} runs`}>
      <form class="fields" onSubmit={(event) => void submit(event)}>
        {isOne && (
          <label>
            Name
            <input name="to" defaultValue={one.run} required autocomplete="off" spellcheck={false} />
          </label>
        )}
        <label>
          {isOne ? "Tags, with commas between" : "Tags that all of them have, with commas between"}
          <input name="tags" defaultValue={tagsIn(chosen).join(", ")} autocomplete="off" autofocus />
        </label>
        {isOne && (
          <label>
            Note
            <textarea name="note" rows={4} defaultValue={one.note} />
          </label>
        )}
        <p role="alert">{fault}</p>
        <div class="answers">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button class="first">Save</button>
        </div>
      </form>
    </Dialog>
  );
}
