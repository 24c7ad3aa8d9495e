/** Begin: trade a token in the address for a session, then show the page. */

import { render } from "preact";
import { beginSession, getSession } from "./api";
import { App } from "./app";
import { session } from "./state";

async function main(): Promise<void> {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (token) {
    history.replaceState(null, "", "#/runs"); // before anything else: nobody should copy it from the address
    await beginSession(decodeURIComponent(token)).catch(() => undefined); // a wrong one: the page asks for another
    location.hash = "#/runs";
  }
  session.value = await getSession();
  render(<App />, document.getElementById("app") as HTMLElement);
}

void main();
