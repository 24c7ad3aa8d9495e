/** Colors that are seen as well on white as on dark: each hue as light as it takes to have a given luminance. Pure. */

const SATURATION = 0.7;

/** The shares of red, green and blue of a color, each from 0 to 1. */
function parts(hue: number, lightness: number): [number, number, number] {
  const reach = SATURATION * Math.min(lightness, 1 - lightness);
  const part = (shift: number) => {
    const at = (shift + hue / 30) % 12;
    return lightness - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1));
  };
  return [part(0), part(8), part(4)];
}

/** How bright a color is to the eye, as WCAG measures it: 0 is black, 1 is white. */
export function luminance(hue: number, lightness: number): number {
  const [red, green, blue] = parts(hue, lightness).map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

/** The lightness at which a hue has a luminance. */
export function lightnessFor(hue: number, wanted: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 12; step++) {
    const middle = (low + high) / 2;
    if (luminance(hue, middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Luminances with a contrast of at least 3 to 1 to the cards of both themes. */
export const LUMINANCES = [0.15, 0.2, 0.26];

const MADE = new Map<string, string>();

/** The color of a hue, in one of three luminances. */
export function colorOf(hue: number, shade: number): string {
  const key = `${hue} ${shade}`;
  let color = MADE.get(key);
  if (color === undefined) {
    const lightness = lightnessFor(hue, LUMINANCES[shade % LUMINANCES.length] ?? 0.2);
    color = `hsl(${hue} ${100 * SATURATION}% ${(100 * lightness).toFixed(1)}%)`;
    MADE.set(key, color);
  }
  return color;
}
