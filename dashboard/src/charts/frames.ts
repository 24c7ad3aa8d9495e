/** Work that draws: a little in each frame, so that the page answers meanwhile. */

/** Milliseconds of a frame that drawing may take; what is left over comes in the next one. */
const BUDGET = 10;
const jobs = new Map<object, () => void>();
let asked = 0;

/** Do a job in one of the next frames; another job of the same owner takes its place. */
export function inFrame(owner: object, job: () => void): void {
  jobs.set(owner, job);
  asked ||= requestAnimationFrame(work);
}

/** Forget the job of an owner that is gone. */
export function notInFrame(owner: object): void {
  jobs.delete(owner);
}

function work(): void {
  asked = 0;
  const begun = performance.now();
  for (const [owner, job] of jobs) {
    jobs.delete(owner);
    job();
    if (performance.now() - begun > BUDGET) break;
  }
  if (jobs.size > 0) asked = requestAnimationFrame(work);
}
