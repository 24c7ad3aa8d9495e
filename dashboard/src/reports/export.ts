/** A report as one file: with its pictures and charts in it, without scripts, for people who have no server. */

import { fileAddress } from "../api";
import { drawing, type Exported } from "../charts/export";
import { escaped } from "../charts/svg";
import { runs } from "../state";
import { chartOf } from "./blocks";
import paper from "./paper.css?inline";
import { Fault, parseFields } from "./spec";

/** Bytes of one picture or video that is put into the file. */
const LARGEST = 32 * 2 ** 20;
const POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'";
const LIGHT = { text: "#1b1f24", soft: "#57606a", grid: "#e6e9ed", card: "#ffffff" };

/** Make the file, and give it to the browser to keep. */
export async function exportReport(article: HTMLElement, title: string): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await documentOf(article, title)], { type: "text/html" }));
  link.download = `${title.replace(/[^\w.-]+/g, "_").slice(0, 80) || "report"}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The whole file as text. */
export async function documentOf(article: HTMLElement, title: string): Promise<string> {
  const copy = article.cloneNode(true) as HTMLElement;
  for (const block of copy.querySelectorAll<HTMLElement>("[data-block=chart]")) await putChart(block);
  for (const picture of copy.querySelectorAll<HTMLImageElement | HTMLVideoElement>("img, video")) await putInside(picture);
  for (const link of copy.querySelectorAll("a")) link.href = link.href; // the whole address: there is no page that it begins at
  for (const control of copy.querySelectorAll("button, script, canvas, style, .row figcaption")) control.remove();
  for (const element of copy.querySelectorAll("*")) strip(element);
  const when = `Exported ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const head = `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${paper}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body><main>${copy.innerHTML}</main><footer>${when}</footer></body></html>\n`;
}

async function putChart(block: HTMLElement): Promise<void> {
  try {
    const spec = chartOf(parseFields("chart", block.dataset["spec"] ?? ""), block.dataset["folder"] ?? "", runs.value.values());
    const chart: Exported = { spec, runs: spec.runs, range: null };
    const { text } = await drawing([chart], LIGHT);
    const image = document.createElement("img");
    image.alt = `Chart: ${spec.title ?? spec.keys.join(", ")}`;
    image.src = `data:image/svg+xml;base64,${btoa(latin(text))}`;
    block.replaceChildren(image);
  } catch (error) {
    if (error instanceof Fault) return; // the block says it itself
    const note = document.createElement("p");
    note.textContent = `A chart could not be drawn: ${error instanceof Error ? error.message : String(error)}`;
    block.replaceChildren(note);
  }
}

/** A text as bytes, each a character. */
function latin(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

async function putInside(picture: HTMLImageElement | HTMLVideoElement): Promise<void> {
  const { key } = picture.dataset; // a drawing gets its address when it has come, see `show`
  const source = picture.getAttribute("src") ?? (key === undefined ? "" : fileAddress(key));
  if (source.startsWith("data:")) return;
  try {
    const answer = await fetch(source);
    const data = await answer.blob();
    if (!answer.ok || data.size > LARGEST) throw new Error("not there, or too large");
    picture.src = await addressOf(data, source);
    picture.removeAttribute("loading");
  } catch {
    const note = document.createElement("em");
    note.textContent = picture.getAttribute("alt") || picture.getAttribute("aria-label") || source;
    picture.replaceWith(note);
  }
}

/** The server says of no file what it is: the beginning of it does. */
async function addressOf(data: Blob, source: string): Promise<string> {
  const head = String.fromCharCode(...new Uint8Array(await data.slice(0, 16).arrayBuffer()));
  const suffix = /\.(\w+)(\?.*)?$/.exec(source)?.[1]?.toLowerCase() ?? "";
  const kind = head.startsWith("\x89PNG") ? "image/png" : head.startsWith("\xff\xd8") ? "image/jpeg" : head.startsWith("GIF8") ? "image/gif" : head.startsWith("RIFF") ? "image/webp" : KINDS[suffix] ?? "application/octet-stream";
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error("a picture could not be read"));
    reader.readAsDataURL(new Blob([data], { type: kind }));
  });
}

const KINDS: Record<string, string> = { avif: "image/avif", bmp: "image/bmp", svg: "image/svg+xml", mp4: "video/mp4", webm: "video/webm", ogv: "video/ogg", mov: "video/quicktime", m4v: "video/mp4" };

/** What only the page needs, or what would do something there. */
function strip(element: Element): void {
  for (const { name } of [...element.attributes]) {
    if (name.startsWith("on") || name.startsWith("data-") || name === "tabindex" || name === "style") element.removeAttribute(name);
  }
}
