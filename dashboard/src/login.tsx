/** The page of those who have not shown a token. */

import { useState } from "preact/hooks";
import { beginSession, getSession } from "./api";
import { session } from "./state";

export function Login() {
  const [said, say] = useState("");
  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const token = new FormData(event.target as HTMLFormElement).get("token");
    try {
      await beginSession(String(token).trim());
      session.value = await getSession();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void enter(event)}>
        <h1>ML-Logger</h1>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        <p>
          The server printed it when it was started; <code>ml-logger token add</code> makes more.
        </p>
        <button>Open</button>
        <p role="alert">{said}</p>
      </form>
    </main>
  );
}
