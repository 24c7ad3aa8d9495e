/** Begin: trade a token in the address for a session, then show the page. */

import { effect } from "@preact/signals";
import { render } from "preact";
import { beginSession, getSession, turnedAway } from "./api";
import { App } from "./app";
import { loadRuns } from "./live";
import { forgetRuns, isLetIn, session } from "./state";
import type { Session } from "./types";

function decoded(token: string): string {
  try {
    return decodeURIComponent(token);
  } catch {
    return token; // one with a % in it
  }
}

/** Milliseconds that the page waits for runs before it shows that it does: what is drawn at once is drawn once. */
const PATIENCE = 250;

/** The session as it is told by the page itself. */
function told(): Session | null {
  const text = document.querySelector<HTMLMetaElement>('meta[name="session"]')?.content;
  return text ? (JSON.parse(text) as Session) : null;
}

async function main(): Promise<void> {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (token) {
    history.replaceState(null, "", "#/runs"); // before anything else: nobody should copy it from the address
    await beginSession(decoded(token)).catch(() => undefined); // a wrong one: the page asks for another
    location.reload(); // the browser has already asked for what this page shows, as somebody else
    return;
  }
  session.value = told() ?? (await getSession());
  effect(() => {
    if (turnedAway.value) void getSession().then((told) => (session.value = told), () => undefined);
  });
  effect(() => {
    if (!isLetIn.value) forgetRuns();
  });
  if (isLetIn.value) await Promise.race([loadRuns(), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  render(<App />, document.getElementById("app") as HTMLElement);
}

// A link with a token that is opened where the page is already open: begin as if it was not.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) location.reload();
});

void main();
