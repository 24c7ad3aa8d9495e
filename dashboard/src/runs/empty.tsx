/** When there are no runs: how to make the first, as it can be copied. */

import { useState } from "preact/hooks";
import { session } from "../state";

/** A program that logs here: the address is the one the page came from. */
export function snippet(address: string, prefix: string): string {
  return `from ml_logger import logger

logger.configure(log_directory="${address}", prefix="${prefix}")
logger.log_params(Args={"lr": 0.1, "seed": 1})
for step in range(100):
    logger.log(step, loss=1 / (step + 1), silent=True)
logger.close()
`;
}

export function Empty() {
  const [said, say] = useState("");
  const address = new URL(".", location.href).href.replace(/\/$/, "");
  const below = session.value?.prefix;
  const text = snippet(address, below ? `${below}/first` : "me/first");
  const copy = () => navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("The browser did not let it be copied: mark it."));
  return (
    <div class="nothing">
      <h1>No runs yet</h1>
      <p>This makes the first one. It appears here while it runs.</p>
      <pre tabIndex={0} aria-label="A program that logs here">
        <code>{text}</code>
      </pre>
      <p>
        <button class="first" onClick={() => void copy()}>
          Copy
        </button>{" "}
        <span role="status">{said}</span>
      </p>
      {session.value?.required && (
        <p>
          The program needs a token with the scope <code>write</code>, in the variable <code>ML_LOGGER_ACCESS_TOKEN</code>:{" "}
          <code>ml-logger token add NAME</code> makes one.
        </p>
      )}
    </div>
  );
}
