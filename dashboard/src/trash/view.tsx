/** The trash: what was deleted, from where, by whom, and the way back. */

import { useEffect, useState } from "preact/hooks";
import { edit, getJson } from "../api";
import { age, moment } from "../files/format";
import { hashOf } from "../route";
import { canWrite } from "../state";
import "./trash.css";

interface Discarded {
  undo: string;
  key: string;
  time: number;
  who: string;
}

export function TrashView() {
  const [found, take] = useState<Discarded[] | null>(null);
  const [said, say] = useState("");
  const [fresh, again] = useState(0);
  useEffect(() => {
    getJson<{ entries: Discarded[] }>("v1/trash").then(
      ({ entries }) => take(entries),
      (error: unknown) => say(reason(error)),
    );
  }, [fresh]);
  const restore = async ({ undo, key }: Discarded) => {
    try {
      await edit({ action: "restore", undo });
      say(`${key} is back.`);
    } catch (error) {
      say(`${key} could not be put back. The server said: ${reason(error)}`);
    }
    again((n) => n + 1);
  };
  const empty = async () => {
    try {
      const { removed } = await edit<{ removed: string[] }>({ action: "empty", days: 0 });
      say(`Removed for good: ${removed.length}.`);
    } catch (error) {
      say(`The trash could not be emptied. The server said: ${reason(error)}`);
    }
    again((n) => n + 1);
  };
  return (
    <section class="trash" aria-label="Trash">
      <h1>Trash</h1>
      <p class="soft">What was deleted in the dashboard waits here for 30 days, and takes its room on the disk. Then the server removes it.</p>
      <p role="status">{said}</p>
      {found?.length === 0 && <p>There is nothing in it.</p>}
      {found && found.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Key</th>
              <th scope="col">Deleted</th>
              <th scope="col">By</th>
              {canWrite.value && <td />}
            </tr>
          </thead>
          <tbody>
            {found.map((one) => (
              <tr key={one.undo}>
                <th scope="row">{one.key}</th>
                <td title={moment(one.time)}>{age(one.time)}</td>
                <td>{one.who}</td>
                {canWrite.value && (
                  <td>
                    <button onClick={() => void restore(one)} aria-label={`Restore ${one.key}`}>
                      Restore
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {canWrite.value && found && found.length > 0 && <Empty count={found.length} onSure={() => void empty()} />}
      <p>
        <a href={hashOf("runs")}>Back to the runs</a>
      </p>
    </section>
  );
}

/** A button that asks once more: there is no way back from it. */
function Empty({ count, onSure }: { count: number; onSure: () => void }) {
  const [isAsking, askAgain] = useState(false);
  if (!isAsking) return <button onClick={() => askAgain(true)}>Empty the trash</button>;
  return (
    <p role="group" aria-label="Empty the trash">
      {count === 1 ? "This is" : `All ${count} are`} removed for good, with no way back.{" "}
      <button onClick={() => (askAgain(false), onSure())}>Remove for good</button> <button onClick={() => askAgain(false)}>Keep</button>
    </p>
  );
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
