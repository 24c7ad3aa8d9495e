/** The one place that asks the server. Addresses are relative to the page, which may lie below any path. */

import { signal } from "@preact/signals";
import type { Report, RunsAnswer, SeriesAnswer, SeriesQuestion, Session } from "./types";
import { decodeSeries } from "./wire";

/** What the server says no with. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(text);
  }
}

/** The server answers no more points of lines, and bins of bands, at once. */
export const LINE_POINTS = 2_000_000;
export const BAND_BINS = 200_000;

/** How often the server has asked for a token: the session that there was is over. */
export const turnedAway = signal(0);

async function ask(address: string, options: RequestInit = {}): Promise<Response> {
  const answer = await fetch(address, { credentials: "same-origin", ...options }).catch((error: unknown) => {
    throw error instanceof TypeError ? new Error("the server cannot be reached") : error; // browsers say less, each its own
  });
  if (answer.ok) return answer;
  if (answer.status === 401) turnedAway.value++;
  throw new Refused(answer.status, await reason(answer));
}

async function reason(answer: Response): Promise<string> {
  try {
    const told: unknown = await answer.json();
    if (told && typeof told === "object" && "error" in told) return String(told.error);
  } catch {
    // no JSON: the status must do
  }
  return `the server answered with ${answer.status}`;
}

function post(address: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return ask(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

/** All runs, or those that have changed since a version. */
export async function getRuns(since?: string): Promise<RunsAnswer> {
  const query = since === undefined ? "" : `?since=${encodeURIComponent(since)}`;
  return (await ask(`v1/runs${query}`)).json() as Promise<RunsAnswer>;
}

export async function getSeries(question: SeriesQuestion, signal?: AbortSignal): Promise<SeriesAnswer> {
  return decodeSeries(await (await post("v1/series", question, signal)).arrayBuffer());
}

/** What the page watches, and from where on. */
export interface LiveQuestion {
  runs: string | null;
  watch: { keys: string[]; xs: string[]; runs: Record<string, number> };
  files: string[];
}

/** Begin to listen; the answer ends when the signal, or the server, ends it. */
export async function openLive(question: LiveQuestion, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { body } = await post("v1/live", question, signal);
  if (!body) throw new Error("the server sent no stream");
  return body;
}

export async function getSession(): Promise<Session> {
  return (await ask("v1/session")).json() as Promise<Session>;
}

/** Trade a token for a cookie that no script can read. */
export async function beginSession(token: string): Promise<void> {
  await ask("v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
}

export async function endSession(): Promise<void> {
  await ask("v1/session", { method: "DELETE" });
}

export async function edit<Answer>(action: Record<string, unknown>): Promise<Answer> {
  return (await post("v1/edits", action)).json() as Promise<Answer>;
}

export async function getReport(key: string): Promise<Report> {
  return (await ask(`v1/render?key=${encodeURIComponent(key)}`)).json() as Promise<Report>;
}

export async function renderText(text: string, key: string): Promise<Report> {
  return (await post("v1/render", { text, key })).json() as Promise<Report>;
}

/** The address of a file, for pictures, videos and downloads. */
export function fileAddress(key: string): string {
  return `v1/files/${key.split("/").map(encodeURIComponent).join("/")}`;
}

/** The bytes of a file, or some of them: `stop` is the first that is not asked for. */
export async function getBytes(key: string, start = 0, stop?: number): Promise<Uint8Array> {
  const range = start === 0 && stop === undefined ? {} : { Range: `bytes=${start}-${stop === undefined ? "" : stop - 1}` };
  return new Uint8Array(await (await ask(fileAddress(key), { headers: range })).arrayBuffer());
}

/** Listings as the server gives them; see the query of `GET /v1/entries` in its description. */
export async function getJson<Answer>(address: string): Promise<Answer> {
  return (await ask(address)).json() as Promise<Answer>;
}
