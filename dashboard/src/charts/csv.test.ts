import { expect, test } from "vitest";
import { csvOf } from "./csv";

test("every point is one row, exactly as it is", () => {
  const ys = [0.1 + 0.2, NaN, Infinity, -Infinity, 5e-324];
  const text = [...csvOf("_step", [{ run: 'a,"b"', key: "loss", xs: Float64Array.from(ys.keys()), ys: Float64Array.from(ys) }])].join("");
  expect(text.split("\r\n")).toEqual([
    "run,metric,_step,value",
    '"a,""b""",loss,0,0.30000000000000004',
    '"a,""b""",loss,1,nan',
    '"a,""b""",loss,2,inf',
    '"a,""b""",loss,3,-inf',
    '"a,""b""",loss,4,5e-324',
    "",
  ]);
});

test("names that a spreadsheet would work out are texts", () => {
  expect([...csvOf("x", [{ run: "=1+1", key: "-k", xs: Float64Array.of(1), ys: Float64Array.of(2) }])].join("")).toContain("'=1+1,'-k,1,2");
});

test("many points are given out in pieces", () => {
  const xs = new Float64Array(50_000);
  expect([...csvOf("x", [{ run: "r", key: "k", xs, ys: xs }])].length).toBe(4);
});
