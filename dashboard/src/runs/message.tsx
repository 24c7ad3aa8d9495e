/** One message at the foot of the page. It stays until it is closed, or until the next: nobody has to be quick. */

import { signal } from "@preact/signals";

interface Said {
  text: string;
  undo: (() => Promise<void>) | null;
}

const said = signal<Said | null>(null);

/** Tell something, with a way back where there is one. */
export function say(text: string, undo: (() => Promise<void>) | null = null): void {
  said.value = { text, undo };
}

export function Message() {
  const now = said.value;
  const close = () => (said.value = null);
  return (
    <div class={now ? "runs-message" : "runs-message empty"} role="status">
      {now && <span>{now.text}</span>}
      {now?.undo && <button onClick={() => void now.undo?.()}>Undo</button>}
      {now && (
        <button class="quiet" onClick={close} aria-label="Close the message">
          ✕
        </button>
      )}
    </div>
  );
}
