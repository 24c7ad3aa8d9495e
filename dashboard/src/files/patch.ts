/** What the lines of a patch are. Pure. */

export type LineKind = "added" | "removed" | "place" | "file" | "same";

export function kindOfLine(line: string): LineKind {
  if (/^(diff |index |--- |\+\+\+ |new file|deleted file|similarity |rename |Binary )/.test(line)) return "file";
  if (line.startsWith("@@")) return "place";
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return "same";
}
