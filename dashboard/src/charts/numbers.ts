/** Numbers as text: values, ticks of axes, durations. Pure. */

/** What the values of x are. */
export type Kind = "number" | "time" | "duration";

/** The kind of a column. */
export function kindOf(x: string): Kind {
  if (x === "_timestamp") return "time";
  return x === "_relative" ? "duration" : "number";
}

/** A value to be read: six digits where it is not whole. */
export function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return grouped(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return minus(trimmed(value.toExponential(5)));
  return minus(trimmed(value.toPrecision(6)));
}

/** A value of x to be read. */
export function placeText(value: number, kind: Kind): string {
  if (!Number.isFinite(value) || kind === "number") return valueText(value);
  if (kind === "duration") return durationText(value);
  return new Date(value * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

function grouped(value: number): string {
  return minus(String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f"));
}

function trimmed(text: string): string {
  return text.replace(/(\.\d*?)0+(e|$)/, "$1$2").replace(/\.(e|$)/, "$1");
}

function minus(text: string): string {
  return text.replace(/^-/, "−").replace("e+", "e").replace("e-", "e−");
}

/** Seconds as days, hours, minutes, seconds: the two greatest that are not zero. */
export function durationText(seconds: number): string {
  if (seconds < 0) return `−${durationText(-seconds)}`;
  if (seconds < 60) return `${trimmed(seconds.toPrecision(3))}s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(" ");
}

const UNITS: [number, string][] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** Labels of the ticks of a linear axis: as short as tells them apart. */
export function tickTexts(ticks: readonly number[]): string[] {
  const step = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0)) || 1;
  const greatest = Math.max(...ticks.map(Math.abs), 0);
  const [unit, letter] = UNITS.find(([size]) => greatest >= size && step >= size / 100) ?? [1, ""];
  if (greatest !== 0 && greatest < 1e-3) return ticks.map((tick) => exponent(tick, Math.ceil(Math.log10(greatest / step))));
  if (greatest >= 1e15) return ticks.map((tick) => exponent(tick, 3));
  const digits = digitsOf(step / unit);
  return ticks.map((tick) => (tick === 0 ? "0" : minus(trimmed((tick / unit).toFixed(digits))) + letter));
}

/** How many digits behind the point a step needs: 0.25 needs two. */
function digitsOf(step: number): number {
  let digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let more = 0; more < 2; more++) {
    const scaled = step * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) > 1e-6 * scaled) digits++;
  }
  return Math.min(12, digits);
}

function exponent(tick: number, digits: number): string {
  return tick === 0 ? "0" : minus(trimmed(tick.toExponential(Math.max(0, Math.min(6, digits)))));
}

/** Which ticks of a logarithmic axis have a label: powers of ten, and with less than two of them 2 and 5 times those. */
export function logTicks(ticks: readonly number[]): (number | null)[] {
  const powers = ticks.filter((tick) => leadOf(tick) === 1).length;
  const leads = powers > 1 ? [1] : powers === 1 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  return ticks.map((tick) => (leads.includes(leadOf(tick)) ? tick : null));
}

/** The one digit of a number that has only one, else NaN. */
function leadOf(tick: number): number {
  const lead = tick / 10 ** Math.floor(Math.log10(tick) + 1e-9);
  return Math.abs(lead - Math.round(lead)) < 1e-6 ? Math.round(lead) : NaN;
}

/** Labels of a logarithmic axis; null stays without one. */
export function logTexts(ticks: readonly (number | null)[]): string[] {
  return ticks.map((tick) => {
    if (tick === null) return "";
    return tick >= 1e-3 && tick < 1e4 ? trimmed(tick.toPrecision(6)) : exponent(tick, 2);
  });
}
