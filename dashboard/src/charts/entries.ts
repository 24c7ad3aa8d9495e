/** What was asked for, kept by question, and found again by the line or the band that news are of. */

import type { BandQuestion, LineQuestion } from "../types";
import type { Tail } from "./tail";
import type { Series } from "./thin";

/** A question, and what is known of it. */
export interface Entry {
  readonly id: string;
  readonly question: LineQuestion | BandQuestion;
  readonly points: number;
  /** The charts in view that show it. */
  readonly seats: Set<object>;
  series: Series | null;
  /** The band, with what has come since. */
  tail: Tail | null;
  /** Whether it must be asked for: nothing is there, or it is not what the server has now. */
  isStale: boolean;
  asked: AbortController | null;
  /** Of a band: how far its runs were heard of. */
  readonly heard: Map<string, number>;
  /** It is not asked for before this time. */
  notBefore: number;
}

const join = (...parts: unknown[]) => parts.join("\u0000");

const ids = new WeakMap<LineQuestion | BandQuestion, { points: number; id: string }>();

/** What names a question; kept with it, for a band names all its runs, and it is asked for in each frame. */
export function idOf(question: LineQuestion | BandQuestion, points: number): string {
  const known = ids.get(question);
  if (known?.points === points) return known.id;
  const id = nameOf(question, points);
  ids.set(question, { points, id });
  return id;
}

function nameOf(question: LineQuestion | BandQuestion, points: number): string {
  const { key, x, from, to } = question;
  if ("run" in question) return join("line", key, x, from, to, question.run, points);
  return join("band", key, x, from, to, question.name, question.bins, ...question.runs);
}

function topicOf(question: LineQuestion | BandQuestion): string {
  return "run" in question ? join("line", question.key, question.x, question.run) : join("band", question.key, question.x);
}

/** Bytes that are kept, with what is in view: more than that is let go where no chart shows it. */
const KEPT = 16 * 1024 * 1024;
/** About what a band takes. */
const BAND_BYTES = 20_000;

export class Entries {
  private readonly byId = new Map<string, Entry>();
  private readonly byTopic = new Map<string, Set<Entry>>();

  /** The entry of a question, made where there is none; the last one used is the last one let go. */
  use(question: LineQuestion | BandQuestion, points: number): Entry {
    const id = idOf(question, points);
    const entry = this.byId.get(id) ?? this.make(id, question, points);
    this.byId.delete(id);
    this.byId.set(id, entry);
    return entry;
  }

  get(question: LineQuestion | BandQuestion, points: number): Entry | undefined {
    return this.byId.get(idOf(question, points));
  }

  all(): Entry[] {
    return [...this.byId.values()];
  }

  lines(key: string, x: string, run: string): Iterable<Entry> {
    return this.byTopic.get(join("line", key, x, run)) ?? [];
  }

  bands(key: string, x: string): Iterable<Entry> {
    return this.byTopic.get(join("band", key, x)) ?? [];
  }

  /** Let go of what was used least lately, and is not in view. */
  forget(): void {
    let bytes = 0;
    for (const entry of this.byId.values()) bytes += bytesOf(entry);
    for (const entry of this.byId.values()) {
      if (bytes <= KEPT) return;
      if (entry.seats.size > 0 || entry.asked) continue;
      bytes -= bytesOf(entry);
      this.byId.delete(entry.id);
      this.byTopic.get(topicOf(entry.question))?.delete(entry);
    }
  }

  private make(id: string, question: LineQuestion | BandQuestion, points: number): Entry {
    const nothing = { series: null, tail: null, isStale: true, asked: null, notBefore: 0 };
    const entry: Entry = { id, question, points, seats: new Set(), heard: new Map(), ...nothing };
    const topic = topicOf(question);
    const known = this.byTopic.get(topic);
    if (known) known.add(entry);
    else this.byTopic.set(topic, new Set([entry]));
    return entry;
  }
}

function bytesOf({ series, tail }: Entry): number {
  return (series?.bytes ?? 0) + (tail ? BAND_BYTES : 0) + 400;
}
