/** Work that draws: a little in each frame, so that the page answers meanwhile. */

/** Draws something, and says how many points that were. */
export type Job = () => number | void;

/** Milliseconds of a frame that jobs may take; what is left over comes in the next one. */
const TIME = 8;
/** A frame that took longer had too many points: the browser paints them after we are done. */
const SLOW = 28;
const LEAST = 1000;
const MOST = 60_000;

const jobs = new Map<object, Job>();
let asked = 0;
let before = 0;
let room = 20_000;

/** Do a job in one of the next frames; another job of the same owner takes its place. */
export function inFrame(owner: object, job: Job): void {
  jobs.set(owner, job);
  asked ||= requestAnimationFrame(work);
}

/** Forget the job of an owner that is gone. */
export function notInFrame(owner: object): void {
  jobs.delete(owner);
}

function work(): void {
  const begun = performance.now();
  asked = 0;
  room = begun - before > SLOW ? Math.max(LEAST, room / 2) : Math.min(MOST, room * 1.2);
  let points = 0;
  for (const [owner, job] of jobs) {
    jobs.delete(owner);
    points += job() ?? 0;
    if (points > room || performance.now() - begun > TIME) break;
  }
  before = jobs.size > 0 ? begun : Infinity; // a pause between frames is none that was too long
  if (jobs.size > 0) asked = requestAnimationFrame(work);
}
