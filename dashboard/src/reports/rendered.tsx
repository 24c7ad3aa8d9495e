/** A report as the server rendered it, with its blocks filled. What the server sends is sanitized there. */

import { render } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { fileAddress, getBytes } from "../api";
import { kindOf } from "../files/kinds";
import { Block } from "./blocks";
import { KINDS, type Kind } from "./spec";

const BLOCKS = "[data-block]";

export function Rendered({ html, folder, label }: { html: string; folder: string; label: string }) {
  const place = useRef<HTMLElement>(null);
  useLayoutEffect(() => fill(place.current as HTMLElement, html, folder), [html, folder]);
  useEffect(() => () => empty(place.current?.querySelectorAll<HTMLElement>(BLOCKS) ?? []), []);
  return <article class="rendered" ref={place} aria-label={label} />;
}

/** Put a text in its place; blocks that are the same as before stay what they are, with all that they show. */
function fill(place: HTMLElement, html: string, folder: string): void {
  const before = new Map<string, HTMLElement[]>();
  for (const block of place.querySelectorAll<HTMLElement>(BLOCKS)) before.set(nameOf(block, folder), [...(before.get(nameOf(block, folder)) ?? []), block]);
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const made: HTMLElement[] = [];
  for (const block of fresh.content.querySelectorAll<HTMLElement>(BLOCKS)) {
    block.dataset["folder"] = folder;
    const kept = before.get(nameOf(block, folder))?.shift();
    if (kept) block.replaceWith(kept);
    else made.push(block);
  }
  empty([...before.values()].flat());
  place.replaceChildren(fresh.content);
  for (const block of made) {
    const kind = block.dataset["block"] as Kind;
    if (KINDS.includes(kind)) render(<Block kind={kind} text={block.dataset["spec"] ?? ""} folder={folder} />, block);
  }
  place.querySelectorAll<HTMLImageElement>("img[data-key]").forEach(show);
}

function nameOf(block: HTMLElement, folder: string): string {
  return [block.dataset["block"], block.dataset["spec"], block.dataset["folder"] ?? folder].join("\u0000");
}

function empty(blocks: Iterable<HTMLElement>): void {
  for (const block of blocks) render(null, block);
}

/** Pictures that a browser does not take from an address alone. */
function show(image: HTMLImageElement): void {
  const key = image.dataset["key"] as string;
  const kind = kindOf(key);
  if (kind === "drawing" && !image.src.startsWith("data:")) {
    void getBytes(key).then(
      (data) => (image.src = `data:image/svg+xml;base64,${btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""))}`),
      () => image.classList.add("missing"),
    );
  }
  if (kind !== "video") return;
  const film = document.createElement("video");
  Object.assign(film, { src: fileAddress(key), controls: true, loop: true, muted: true, playsInline: true, preload: "metadata" });
  film.setAttribute("aria-label", image.alt || key);
  image.replaceWith(film);
}
