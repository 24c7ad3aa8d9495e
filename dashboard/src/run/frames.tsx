/** A series of pictures or films, of which the frame of the step is seen. */

import type { ComponentChildren } from "preact";
import { fileAddress } from "../api";
import { Picture, Video } from "../files/preview";
import { nameOf } from "../files/kinds";
import { hashOf } from "../route";
import { formatCount } from "../runs/values";
import { frameAt, type Series } from "./evidence";

export function Frames({ series, step, title }: { series: Series; step: number; title?: ComponentChildren }) {
  const frame = frameAt(series, step);
  if (!frame) return null;
  const [file, size, version] = frame.file;
  const about = frame.step === null ? "" : `step ${formatCount(frame.step)}`;
  return (
    <article class="card" aria-label={series.name}>
      <header>
        <a class="title" href={hashOf("files", file)} title={file}>
          {title ?? series.name}
        </a>
        <span class="gap" />
        <span class="soft">
          {about}
          {series.frames.length > 1 && ` · ${formatCount(series.frames.length)} steps`}
        </span>
      </header>
      {series.medium === "picture" && <Picture file={file} size={size} version={version} />}
      {series.medium === "video" && <Video key={file} file={file} size={size} version={version} />}
      {series.medium === "audio" && <audio key={file} controls preload="none" src={fileAddress(file)} aria-label={nameOf(file)} />}
    </article>
  );
}
