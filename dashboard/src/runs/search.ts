/** The search: plain words, comparisons like `lr<1e-3`, quotes, and `/regex/` for the keys of metrics. Pure. */

import type { Run } from "../types";
import { asText, toNumber } from "./values";

type Test = (run: Run) => boolean;

interface Token {
  text: string;
  /** A regular expression for the keys of metrics, without its slashes. */
  isRegex: boolean;
  /** Where the operator of a comparison stands in the text; -1 where there is none. */
  operator: number;
}

interface Query {
  tests: Test[];
  regexes: RegExp[];
  fault: string | null;
}

const OPERATOR = /^(<=|>=|!=|=|<|>|:)/;

/** Whether a run is found by a query. */
export function matcher(query: string): Test {
  const { tests } = compile(query);
  if (tests.length === 0) return () => true;
  return (run) => tests.every((test) => test(run));
}

/** Whether the key of a metric is asked for: by all `/regex/` of a query, or there are none. */
export function metricFilter(query: string): (key: string) => boolean {
  const { regexes } = compile(query);
  return (key) => regexes.every((regex) => regex.test(key));
}

/** What is wrong with a query, for the one who types it. */
export function faultOf(query: string): string | null {
  return compile(query).fault;
}

let last: { query: string; compiled: Query } | null = null;

function compile(query: string): Query {
  if (last?.query === query) return last.compiled;
  const compiled: Query = { tests: [], regexes: [], fault: null };
  for (const token of tokens(query)) {
    if (!token.isRegex) {
      const test = token.operator < 0 ? word(token.text) : comparison(token);
      if (test) compiled.tests.push(test);
      continue;
    }
    try {
      compiled.regexes.push(new RegExp(token.text, "i"));
    } catch (error) {
      compiled.fault = error instanceof Error ? error.message : String(error);
    }
  }
  last = { query, compiled };
  return compiled;
}

/** Split at spaces; what is quoted stays together, and holds no operators. */
export function tokens(query: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < query.length) {
    if (/\s/.test(query[at] ?? "")) at++;
    else at = regexAt(query, at, found) ?? wordAt(query, at, found);
  }
  return found;
}

function regexAt(query: string, at: number, found: Token[]): number | null {
  const match = /^\/((?:[^/\\]|\\.)+)\/(?=\s|$)/.exec(query.slice(at));
  if (!match) return null;
  found.push({ text: match[1] ?? "", isRegex: true, operator: -1 });
  return at + match[0].length;
}

function wordAt(query: string, start: number, found: Token[]): number {
  let text = "";
  let quote = "";
  let operator = -1;
  let at = start;
  for (; at < query.length; at++) {
    const letter = query[at] ?? "";
    if (quote) {
      if (letter === quote) quote = "";
      else text += letter;
    } else if (/\s/.test(letter)) break;
    else if (letter === '"' || (letter === "'" && (at === start || operator === text.length - 1))) quote = letter;
    else {
      if (operator < 0 && text && OPERATOR.test(query.slice(at))) operator = text.length;
      text += letter;
    }
  }
  found.push({ text, isRegex: false, operator });
  return at;
}

const TEXTS = new WeakMap<Run, string>();

/** What plain words are looked for in: lower case, made once for each state of a run. */
export function textOf(run: Run): string {
  let text = TEXTS.get(run);
  if (text === undefined) {
    const parts = [run.run, run.status ?? "", run.note, ...run.tags];
    for (const name in run.parameters) parts.push(`${name}=${asText(run.parameters[name])}`);
    text = parts.join("\n").toLowerCase();
    TEXTS.set(run, text);
  }
  return text;
}

function word(text: string): Test | null {
  const looked = text.toLowerCase();
  return looked ? (run) => textOf(run).includes(looked) : null;
}

function comparison({ text, operator }: Token): Test | null {
  const name = text.slice(0, operator);
  const sign = OPERATOR.exec(text.slice(operator))?.[0] ?? "=";
  const wanted = text.slice(operator + sign.length);
  if (wanted === "") return null; // still being typed: it leaves everything
  const values = valuesOf(name);
  const agrees = comparer(sign, wanted);
  const whole = text.toLowerCase();
  if (sign === "!=") return (run) => !values(run).some(agrees);
  if (sign !== ":") return (run) => values(run).some(agrees);
  return (run) => {
    const has = values(run);
    return has.length > 0 ? has.some(agrees) : textOf(run).includes(whole); // a colon in a name, or in a note
  };
}

/** The names that are no parameters and no metrics. */
const FIELDS: Record<string, (run: Run) => unknown[]> = {
  name: (run) => [run.run],
  run: (run) => [run.run],
  status: (run) => [run.status ?? ""],
  tag: (run) => run.tags,
  tags: (run) => run.tags,
  note: (run) => [run.note],
  rows: (run) => [run.rows],
  size: (run) => [run.size],
  duration: (run) => (run.duration === null ? [] : [run.duration]),
};

/** The values of a run that a name stands for: a parameter, then a metric's last value, then a field. */
function valuesOf(name: string): (run: Run) => unknown[] {
  const field = FIELDS[name.toLowerCase()];
  const end = `.${name}`;
  return (run) => {
    if (Object.hasOwn(run.parameters, name)) return [run.parameters[name]];
    const metric = Object.hasOwn(run.metrics, name) ? run.metrics[name] : undefined;
    if (metric) return [metric[0]];
    if (field) return field(run);
    const ending = [];
    for (const key in run.parameters) if (key.endsWith(end)) ending.push(run.parameters[key]);
    return ending;
  };
}

function comparer(sign: string, wanted: string): (value: unknown) => boolean {
  const number = toNumber(wanted);
  const looked = wanted.toLowerCase();
  const same = (value: unknown) => (number !== null && toNumber(value) === number) || asText(value).toLowerCase() === looked;
  if (sign === "=" || sign === "!=") return same;
  if (sign === ":") return (value) => asText(value).toLowerCase().includes(looked);
  if (number === null) return (value) => typeof value === "string" && orders(sign, value.toLowerCase(), looked);
  return (value) => {
    const has = toNumber(value);
    return has !== null && orders(sign, has, number);
  };
}

function orders<Value extends number | string>(sign: string, one: Value, other: Value): boolean {
  if (sign === "<") return one < other;
  if (sign === ">") return one > other;
  return sign === "<=" ? one <= other : one >= other;
}
