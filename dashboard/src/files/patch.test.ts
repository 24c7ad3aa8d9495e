import { expect, test } from "vitest";
import { kindOfLine } from "./patch";

test.each([
  ["diff --git a/x b/x", "file"],
  ["--- a/x", "file"],
  ["+++ b/x", "file"],
  ["@@ -1 +1 @@", "place"],
  ["+new", "added"],
  ["-old", "removed"],
  [" both", "same"],
  ["", "same"],
])("%s", (line, kind) => {
  expect(kindOfLine(line)).toBe(kind);
});
