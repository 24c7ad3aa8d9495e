/** Work in slices, so that the page draws and listens in between. */

/** How long one slice may take, in milliseconds: a frame has sixteen. */
const SLICE = 6;

/** Run steps until they are done or the signal ends them, the first slice at once; what they give is told once. */
export function inSlices<Value>(steps: Generator<void, Value>, done: (value: Value) => void, signal: AbortSignal, first = SLICE): void {
  let time = first;
  const slice = () => {
    if (signal.aborted) return;
    const until = performance.now() + time;
    time = SLICE;
    let step = steps.next();
    while (!step.done && performance.now() < until) step = steps.next();
    if (step.done) done(step.value);
    else setTimeout(slice);
  };
  slice();
}
