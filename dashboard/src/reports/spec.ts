/** What stands in a block of a report: lines of `name: value`, or bare words. Pure. */

/** The values of each name, in the order they came; bare words stand under "". */
export type Fields = ReadonlyMap<string, readonly string[]>;

export const KINDS = ["chart", "table", "image", "value"] as const;
export type Kind = (typeof KINDS)[number];

/** The names that a block takes; bare words are the values of the first. */
const NAMES: Record<Kind, readonly string[]> = {
  chart: ["keys", "runs", "where", "limit", "x", "title", "smooth", "logx", "logy", "mode", "group", "height"],
  table: ["columns", "runs", "where", "limit", "sort", "title"],
  image: ["keys", "caption", "width", "limit"],
  value: ["key", "runs", "where", "stat", "best", "label", "digits"],
};

/** Names whose value is one text, commas and all. */
const WHOLE = new Set(["title", "caption", "label", "where"]);

export class Fault extends Error {}

/** Read the text of a block. What is wrong with it is thrown as a `Fault`. */
export function parseFields(kind: Kind, text: string): Fields {
  const names = NAMES[kind];
  const fields = new Map<string, string[]>();
  let last = names[0] as string;
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, item] = /^-\s+(.*)$/.exec(line) ?? [];
    const [, name, value] = item === undefined ? (/^([A-Za-z]+)\s*:(?:\s+(.*))?$/.exec(line) ?? []) : [];
    if (name !== undefined) last = names.includes(name.toLowerCase()) ? name.toLowerCase() : unknown(kind, name);
    const known = fields.get(last) ?? [];
    fields.set(last, known);
    known.push(...values(last, item ?? (name === undefined ? line : (value ?? ""))));
  }
  return fields;
}

function unknown(kind: Kind, name: string): never {
  throw new Fault(`A ${kind} has no “${name}”. It has: ${NAMES[kind].join(", ")}.`);
}

function values(name: string, text: string): string[] {
  const whole = text.trim();
  if (whole === "") return [];
  if (WHOLE.has(name)) return [unquoted(whole)];
  const [, inside = whole] = /^\[(.*)\]$/.exec(whole) ?? [];
  return [...inside.matchAll(/\s*("[^"]*"|'[^']*'|[^,]+)/g)].map(([part]) => unquoted(part.trim())).filter(Boolean);
}

function unquoted(text: string): string {
  const [, , inside] = /^(["'])(.*)\1$/.exec(text) ?? [];
  return inside ?? text;
}

export function one(fields: Fields, name: string): string | undefined {
  return fields.get(name)?.join(", ");
}

/** A number of a field; undefined where there is none, and a `Fault` where it is no number in the range. */
export function numberIn(fields: Fields, name: string, least: number, most: number): number | undefined {
  const text = one(fields, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= least && value <= most)) throw new Fault(`“${name}” is a number from ${least} to ${most}, and not “${text}”.`);
  return value;
}

export function isOn(fields: Fields, name: string): boolean {
  return ["true", "yes", "on", "1"].includes((one(fields, name) ?? "").toLowerCase());
}

/** One of some words. */
export function wordIn<Word extends string>(fields: Fields, name: string, words: readonly Word[], otherwise: Word): Word {
  const text = one(fields, name);
  if (text === undefined) return otherwise;
  const found = words.find((word) => word === text);
  if (!found) throw new Fault(`“${name}” is one of ${words.join(", ")}, and not “${text}”.`);
  return found;
}

/** A key as it is written in a report of a folder: relative, or from the data folder with a slash at its beginning. */
export function keyFrom(folder: string, text: string): string {
  const parts = text.startsWith("/") || folder === "" ? [] : folder.split("/");
  for (const part of text.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export function isGlob(key: string): boolean {
  return /[*?[]/.test(key);
}

/** A regular expression for a glob over keys. */
export function globOf(glob: string): RegExp {
  const text = glob.replace(/\*\*\/?|\*|\?|[.+^${}()|\\[\]]/g, (found) => {
    if (found === "**/") return "(?:.*/)?";
    if (found === "**") return ".*";
    if (found === "*") return "[^/]*";
    return found === "?" ? "[^/]" : `\\${found}`;
  });
  return new RegExp(`^${text}$`);
}
