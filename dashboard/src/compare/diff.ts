/** The lines in which two texts differ: the shortest way from one to the other, by Myers' algorithm (1986). Pure. */

export interface Line {
  kind: "same" | "removed" | "added";
  text: string;
  /** Its number in the one text and in the other, from 1. */
  left: number | null;
  right: number | null;
}

/** Above so many changes the part between the first and the last is told as replaced: nobody reads more. */
const MOST_CHANGES = 2000;

/** All lines of both texts, each once, in order. */
export function diffLines(left: string, right: string, most = MOST_CHANGES): Line[] {
  const a = linesOf(left);
  const b = linesOf(right);
  let begin = 0;
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin++;
  let end = 0;
  while (end < a.length - begin && end < b.length - begin && a.at(-1 - end) === b.at(-1 - end)) end++;
  const made: Line[] = [];
  const same = (at: number, to: number) => made.push({ kind: "same", text: a[at] ?? "", left: at + 1, right: to + 1 });
  for (let at = 0; at < begin; at++) same(at, at);
  for (const [kind, at] of steps(a.slice(begin, a.length - end), b.slice(begin, b.length - end), most)) {
    if (kind === "same") same(begin + at[0], begin + at[1]);
    else if (kind === "removed") made.push({ kind, text: a[begin + at[0]] ?? "", left: begin + at[0] + 1, right: null });
    else made.push({ kind, text: b[begin + at[1]] ?? "", left: null, right: begin + at[1] + 1 });
  }
  for (let at = end; at > 0; at--) same(a.length - at, b.length - at);
  return made;
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

type Step = [Line["kind"], [number, number]];

/** The steps from one list to the other; all of one and then all of the other where they are too many. */
function steps(a: readonly string[], b: readonly string[], most: number): Step[] {
  const trace = furthest(a, b, Math.min(most, a.length + b.length));
  if (!trace) return [...a.map((_, at): Step => ["removed", [at, 0]]), ...b.map((_, at): Step => ["added", [0, at]])];
  const made: Step[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0 && (x > 0 || y > 0); d--) {
    const before = trace[d] ?? new Int32Array();
    const reach = (k: number) => before[k + d + 1] ?? -1;
    const k = x - y;
    const down = k === -d || (k !== d && reach(k - 1) < reach(k + 1));
    const fromX = d === 0 ? 0 : down ? reach(k + 1) : reach(k - 1);
    const fromY = d === 0 ? 0 : fromX - (down ? k + 1 : k - 1);
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) made.push(["same", [--x, --y]]);
    if (d === 0) break;
    if (down) made.push(["added", [x, --y]]);
    else made.push(["removed", [--x, y]]);
  }
  return made.reverse();
}

/** How far each diagonal comes with one change more each time; null when that are too many. What stands at d is of before it. */
function furthest(a: readonly string[], b: readonly string[], most: number): Int32Array[] | null {
  const trace: Int32Array[] = [];
  let reach = new Int32Array(3).fill(0);
  for (let d = 0; d <= most; d++) {
    // Diagonals -d-1 to d+1, the first at place 0.
    trace.push(reach);
    const next = new Int32Array(2 * d + 5).fill(-1);
    for (let k = -d; k <= d; k += 2) {
      const at = (diagonal: number) => reach[diagonal + d + 1] ?? -1;
      let x = d === 0 ? 0 : k === -d || (k !== d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      next[k + d + 2] = x;
      if (x >= a.length && y >= b.length) return trace;
    }
    reach = next;
  }
  return null;
}

/** A place where lines that are the same were left out. */
export interface Gap {
  kind: "gap";
  count: number;
}

/** The lines that differ, with a few around them. */
export function folded(lines: readonly Line[], around = 3): (Line | Gap)[] {
  const near = new Uint8Array(lines.length);
  lines.forEach(({ kind }, at) => {
    if (kind !== "same") near.fill(1, Math.max(0, at - around), at + around + 1);
  });
  const made: (Line | Gap)[] = [];
  let hidden = 0;
  lines.forEach((line, at) => {
    if (near[at]) {
      if (hidden) made.push({ kind: "gap", count: hidden });
      hidden = 0;
      made.push(line);
    } else hidden++;
  });
  if (hidden) made.push({ kind: "gap", count: hidden });
  return made;
}
