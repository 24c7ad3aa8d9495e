/** What a component shows of an answer that it waits for. */

import { useEffect, useState, type Inputs } from "preact/hooks";

export interface Answer<Value> {
  value?: Value;
  error?: string;
}

/** Ask when the component appears, and when what it asks about changes; with `keeps` the last answer stays meanwhile. */
export function useAnswer<Value>(ask: (signal: AbortSignal) => Promise<Value>, about: Inputs, keeps = false): Answer<Value> {
  const [answer, take] = useState<Answer<Value>>({});
  useEffect(() => {
    const left = new AbortController();
    if (!keeps) take({});
    ask(left.signal).then(
      (value) => left.signal.aborted || take({ value }),
      (error: unknown) => left.signal.aborted || take({ error: error instanceof Error ? error.message : String(error) }),
    );
    return () => left.abort();
  }, about);
  return answer;
}
