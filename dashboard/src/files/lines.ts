/** Text of which only a part is there: where lines begin, and what is found in them. Pure. */

const decoder = new TextDecoder();

/** Bytes as text; half a character at the begin, where text was cut, is left out. */
export function decoded(bytes: Uint8Array, isCut: boolean): string {
  let at = 0;
  while (isCut && at < 4 && at < bytes.length && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return decoder.decode(at ? bytes.subarray(at) : bytes);
}

/** Whether bytes look like text: no zero byte, and few that are no characters. */
export function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false;
  const text = decoder.decode(bytes);
  const odd = text.match(/[\x01-\x08\x0e-\x1a\x1c-\x1f\ufffd]/g)?.length ?? 0;
  return odd <= 1 + text.length / 50;
}

const NEWLINE = 10;

/** Where the first line begins that is whole in a part of a file; where the part does, if there is none. */
export function firstLine(bytes: Uint8Array): number {
  const at = bytes.indexOf(NEWLINE) + 1;
  return at < bytes.length ? at : 0;
}

/** Where the last line ends that is whole in a part of a file; where the part does, if there is none. */
export function lastLine(bytes: Uint8Array): number {
  return bytes.lastIndexOf(NEWLINE) + 1 || bytes.length;
}

/** Lines in groups, so that a browser lays out only those in view. Each keeps its line breaks. */
export function groups(text: string, most = 200): string[] {
  const made: string[] = [];
  let from = 0;
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    if (++lines % most) continue;
    made.push(text.slice(from, at + 1));
    from = at + 1;
  }
  if (from < text.length || made.length === 0) made.push(text.slice(from));
  return made;
}

export interface Found {
  line: number;
  text: string;
}

/** Finds lines in text that comes in pieces, whatever the case; long lines are cut. */
export class Finder {
  readonly found: Found[] = [];
  count = 0;
  private line = 1;
  private rest = "";
  private readonly stream = new TextDecoder();
  private readonly word: string;

  constructor(
    word: string,
    private readonly most = 1000,
  ) {
    this.word = word.toLowerCase();
  }

  take(bytes: Uint8Array, isLast: boolean): void {
    const text = this.rest + this.stream.decode(bytes, { stream: !isLast });
    const lines = text.split("\n");
    this.rest = isLast ? "" : (lines.pop() ?? "");
    for (const line of lines) {
      if (line.toLowerCase().includes(this.word)) {
        this.count++;
        if (this.found.length < this.most) this.found.push({ line: this.line, text: line.slice(0, 2000) });
      }
      this.line++;
    }
  }
}

/** A text cut at what is searched for: every second part is a match. */
export function marked(text: string, word: string): string[] {
  if (!word) return [text];
  const parts: string[] = [];
  const lower = text.toLowerCase();
  const wanted = word.toLowerCase();
  let from = 0;
  // where lowering changes lengths, places would not fit: such a text is left as it is
  if (lower.length !== text.length) return [text];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}

/** JSON laid out over lines; what is none stays as it is. */
export function laidOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
