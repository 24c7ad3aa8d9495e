/** A text file of two runs: the lines in which it differs. */

import { useMemo } from "preact/hooks";
import { getBytes } from "../api";
import { useAnswer } from "../files/answer";
import { bytes } from "../files/format";
import type { Listed } from "../files/tree";
import { route, setQuery } from "../route";
import type { Evidence } from "../run/evidence";
import { formatCount, naturally } from "../runs/values";
import { diffLines, folded, type Gap, type Line } from "./diff";

/** Bytes of a file that are compared, and lines that are drawn. */
const LARGEST = 2 ** 20;
const MOST_LINES = 10_000;

interface TextsProps {
  chosen: readonly string[];
  evidence: readonly Evidence[];
}

/** The text files of a run by their name in it. */
function textsOf(run: string, { code, changes, logs }: Evidence): Map<string, Listed> {
  const folder = run ? `${run}/` : "";
  return new Map([...code, ...changes, ...logs].map((file) => [file[0].slice(folder.length), file]));
}

export function Texts({ chosen, evidence }: TextsProps) {
  const { query } = route.value;
  const texts = chosen.map((run, at) => textsOf(run, evidence[at] as Evidence));
  const counts = new Map<string, number>();
  for (const one of texts) for (const name of one.keys()) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || naturally(a, b));
  const name = names.find((one) => one === query.get("file")) ?? names[0];
  if (name === undefined) return <p class="nothing">None of these runs has a text file.</p>;
  const place = (side: string, other: number) => {
    const at = chosen.indexOf(query.get(side) ?? "");
    return at < 0 ? Math.min(other, chosen.length - 1) : at;
  };
  const left = place("left", 0);
  const right = place("right", 1);
  return (
    <>
      <div class="filetools">
        <Choice label="File" value={name} choices={names.map((one) => [one, `${one} (in ${counts.get(one)} of ${chosen.length})`])} choose={(file) => setQuery({ file })} />
        <Choice label="− from" value={chosen[left] ?? ""} choices={chosen.map((run) => [run, run])} choose={(run) => setQuery({ left: run })} />
        <Choice label="+ to" value={chosen[right] ?? ""} choices={chosen.map((run) => [run, run])} choose={(run) => setQuery({ right: run })} />
      </div>
      <Difference name={name} files={[texts[left]?.get(name), texts[right]?.get(name)]} />
    </>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  choices: [value: string, text: string][];
  choose: (value: string) => void;
}

function Choice({ label, value, choices, choose }: ChoiceProps) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {choices.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

type File = Listed | undefined;

/** The text of a file that is small enough; nothing for one that a run does not have. */
async function textOf(file: File): Promise<string> {
  return file && file[1] > 0 ? new TextDecoder().decode(await getBytes(file[0], 0, LARGEST)) : "";
}

function Difference({ name, files }: { name: string; files: [File, File] }) {
  const { value, error } = useAnswer(() => Promise.all(files.map(textOf)), files.flat(), true);
  const lines = useMemo(() => value && folded(diffLines(value[0] ?? "", value[1] ?? "")), [value]);
  if (error) return <p role="alert">{error}</p>;
  if (!lines) return null;
  const large = files.find((file) => file && file[1] > LARGEST);
  const [one] = lines;
  return (
    <>
      {large && <p class="soft note">The first {bytes(LARGEST)} of each are compared.</p>}
      {lines.length <= 1 && one?.kind !== "added" && one?.kind !== "removed" ? (
        <p class="nothing">{files.every(Boolean) ? "The files are the same." : "The run has no such file."}</p>
      ) : (
        <pre class="lines diff" tabIndex={0} role="region" aria-label={`Differences of ${name}`}>
          {lines.slice(0, MOST_LINES).map((line, at) => (
            <Shown key={at} line={line} />
          ))}
        </pre>
      )}
      {lines.length > MOST_LINES && <p class="soft note">{formatCount(lines.length - MOST_LINES)} more lines are not shown.</p>}
    </>
  );
}

const SIGNS = { same: " ", removed: "−", added: "+" };

function Shown({ line }: { line: Line | Gap }) {
  if (line.kind === "gap") return <span class="place">{`⋯ ${formatCount(line.count)} ${line.count === 1 ? "line" : "lines"} the same\n`}</span>;
  const { kind, left, right, text } = line;
  return (
    <span class={kind}>
      <span class="number">{left ?? ""}</span>
      <span class="number">{right ?? ""}</span>
      {SIGNS[kind]} {text}
      {"\n"}
    </span>
  );
}
