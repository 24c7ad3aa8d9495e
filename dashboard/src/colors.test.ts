import { expect, test } from "vitest";
import { colorOf, lightnessFor, LUMINANCES, luminance } from "./colors";

/** The luminances of what lines are drawn on: white, and the dark card, #171b22. */
const CARDS = [1, 0.0108];

test("every hue in every shade has a contrast of 3 to 1 to the cards of both themes", () => {
  for (let hue = 0; hue < 360; hue += 5) {
    for (const wanted of LUMINANCES) {
      const found = luminance(hue, lightnessFor(hue, wanted));
      for (const card of CARDS) {
        const [dark = 0, light = 0] = [found, card].sort((one, other) => one - other);
        expect((light + 0.05) / (dark + 0.05)).toBeGreaterThan(3);
      }
    }
  }
});

test("a color is one that CSS and canvases know", () => {
  expect(colorOf(52, 0)).toMatch(/^hsl\(52 70% \d+\.\d%\)$/);
  expect(luminance(0, 1)).toBeCloseTo(1, 3);
  expect(luminance(0, 0)).toBe(0);
});
