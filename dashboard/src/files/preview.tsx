/** What is seen of one file, by what its name promises. Nothing of it is executed: pictures are drawn, text is text. */

import { useState } from "preact/hooks";
import { fileAddress, getBytes, getReport } from "../api";
import { Rendered } from "../reports/rendered";
import { hashOf } from "../route";
import { useAnswer } from "./answer";
import { DiffText } from "./diff";
import { bytes } from "./format";
import { arrayHead, folderOf, kindOf, nameOf } from "./kinds";
import { isText, laidOut } from "./lines";
import { Lines, TextFile } from "./text";

/** Bytes of what is laid out whole: JSON, diffs, drawings. */
const WHOLE = 2 ** 20;
const SNIFFED = 4096;

export interface FileProps {
  file: string;
  size: number;
  /** Changes when the file does: what was loaded of it is loaded again. */
  version?: number | string;
}

/** Show a file. */
export function Preview(props: FileProps) {
  const kind = kindOf(props.file);
  if (kind === "image" || kind === "drawing") return <Picture {...props} />;
  if (kind === "video") return <Video {...props} />;
  if (kind === "audio") return <audio controls src={versioned(props)} aria-label={nameOf(props.file)} />;
  if (kind === "json" && props.size <= WHOLE) return <Json {...props} />;
  if (kind === "markdown") return <Markdown {...props} />;
  if (kind === "diff" && props.size <= WHOLE) return <Diff {...props} />;
  if (kind === "array") return <NumpyFile {...props} />;
  if (kind === "records") return <Records {...props} />;
  if (kind === "unknown") return <Sniffed {...props} />;
  return <TextFile key={props.file} file={props.file} size={props.size} tail={/\.(log|out|err)$/i.test(props.file)} />;
}

/** The address of a file, another one for each version, so that a picture that was replaced is drawn anew. */
function versioned({ file, version = "" }: FileProps): string {
  return `${fileAddress(file)}${version === "" ? "" : `?v=${version}`}`;
}

/** A picture or an animation; drawings by data, as a browser takes them from no address without their type. */
export function Picture(props: FileProps) {
  const { file, size, version = "" } = props;
  const isDrawing = kindOf(file) === "drawing";
  const drawing = useAnswer(async () => (isDrawing && size <= WHOLE ? drawn(await getBytes(file)) : null), [file, version], true);
  const [shape, measure] = useState("");
  if (isDrawing && size > WHOLE) return <p>A drawing of {bytes(size)}: too large to be shown here.</p>;
  if (drawing.error) return <p role="alert">{drawing.error}</p>;
  const address = isDrawing ? drawing.value : versioned(props);
  if (!address) return null;
  const loaded = ({ currentTarget: image }: { currentTarget: HTMLImageElement }) => {
    measure(`${image.naturalWidth} × ${image.naturalHeight}`);
    image.classList.toggle("little", !isDrawing && image.naturalWidth < 200);
  };
  return (
    <figure class="picture">
      <img src={address} alt={nameOf(file)} title={shape} loading="lazy" decoding="async" onLoad={loaded} onError={() => measure("cannot be drawn")} />
      <figcaption class="soft">{shape}</figcaption>
    </figure>
  );
}

/** A drawing as the address of itself: inside of a picture no script of it runs, and it reaches nothing. */
function drawn(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return `data:image/svg+xml;base64,${btoa(text)}`;
}

export function Video(props: FileProps) {
  return (
    <figure class="picture">
      <video onLoadedMetadata={({ currentTarget: film }) => film.classList.toggle("little", film.videoWidth < 200)} controls loop muted playsInline preload="metadata" src={versioned(props)} aria-label={nameOf(props.file)} />
    </figure>
  );
}

function Json({ file, version = "" }: FileProps) {
  const { value, error } = useAnswer(async () => new TextDecoder().decode(await getBytes(file)), [file, version]);
  if (error) return <p role="alert">{error}</p>;
  return value === undefined ? null : <Lines text={laidOut(value)} name={file} />;
}

export function Diff({ file, version = "" }: FileProps) {
  const { value, error } = useAnswer(async () => new TextDecoder().decode(await getBytes(file)), [file, version]);
  if (error) return <p role="alert">{error}</p>;
  return value === undefined ? null : <DiffText text={value} name={file} />;
}

/** Markdown as the server renders it, which leaves out everything that could do something; else as text. */
function Markdown(props: FileProps) {
  const { value, error } = useAnswer(() => getReport(props.file), [props.file, props.version]);
  const [isSource, showSource] = useState(false);
  if (error || isSource || value?.html === undefined) return value || error ? <TextFile key={props.file} {...props} /> : null;
  return (
    <>
      <div class="filetools">
        <button onClick={() => showSource(true)}>Source</button>
        <a href={hashOf("report", props.file)}>Open as a report</a>
      </div>
      <Rendered html={value.html} folder={folderOf(props.file).replace(/\/$/, "")} label={nameOf(props.file)} />
    </>
  );
}

function NumpyFile({ file, size }: FileProps) {
  const { value } = useAnswer(async () => (file.endsWith(".npy") && size ? arrayHead(await getBytes(file, 0, Math.min(size, SNIFFED))) : null), [file, size]);
  return <Told what={file.endsWith(".npz") ? "Several numpy arrays" : `A numpy array${value ? `: ${value}` : ""}`} verb="load_np" file={file} size={size} />;
}

function Records({ file, size }: FileProps) {
  return <Told what="Records, pickled one after another; the server does not unpickle anything" verb="load_pkl" file={file} size={size} />;
}

function Told({ what, verb, file, size }: { what: string; verb: string; file: string; size: number }) {
  return (
    <div class="told">
      <p>
        {what}. {bytes(size)}. In Python:
      </p>
      <pre tabIndex={0} role="region" aria-label="How to read it">{`from ml_logger import ML_Logger\n\nML_Logger(root=${JSON.stringify(root())}).${verb}(${JSON.stringify(`/${file}`)})`}</pre>
    </div>
  );
}

/** The address of the server, without the page. */
function root(): string {
  return new URL(".", location.href).href.replace(/\/$/, "");
}

function Sniffed(props: FileProps) {
  const { file, size } = props;
  const { value, error } = useAnswer(async () => isText(size ? await getBytes(file, 0, Math.min(size, SNIFFED)) : new Uint8Array()), [file]);
  if (error) return <p role="alert">{error}</p>;
  if (value === undefined) return null;
  return value ? <TextFile key={file} {...props} /> : <p class="told">{bytes(size)} that are no text, and of no kind that is shown here.</p>;
}
