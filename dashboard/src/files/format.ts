/** Sizes and times as people read them. Pure. */

/** A number of bytes, such as 12 kB. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

const AGES: [number, string][] = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
  [365, "d"],
];

/** How long ago a time in seconds since 1970 is. */
export function age(seconds: number, now = Date.now() / 1000): string {
  let value = Math.max(0, now - seconds);
  for (const [size, unit] of AGES) {
    if (value < size) return `${Math.floor(value)} ${unit} ago`;
    value /= size;
  }
  return `${Math.floor(value)} y ago`;
}

// One for all: to make one takes longer than a row of a list may.
const DATES = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The same as a date, in the words of the place where the page is. */
export function moment(seconds: number): string {
  return DATES.format(seconds * 1000);
}
