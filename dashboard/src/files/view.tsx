/** The files of the data folder: a tree, and what is seen of the chosen one. The address says which. */

import { useRef, useState } from "preact/hooks";
import { fileAddress } from "../api";
import { useKeys } from "../keyboard";
import { hashOf, route, setQuery } from "../route";
import { useAnswer } from "./answer";
import "./files.css";
import { age, bytes, moment } from "./format";
import { folderOf, nameOf } from "./kinds";
import { fileEntry } from "./listing";
import { Tree } from "./list";
import { Preview } from "./preview";
import { crumbs, type Listed } from "./tree";

/** Where the page is: the folder at the top of the tree, with its slash, and the file, if one is chosen. */
interface Place {
  top: string;
  file: Listed | null;
}

async function placeOf(path: string, top: string | null): Promise<Place> {
  if (path === "" || path.endsWith("/")) return { top: path, file: null };
  const file = await fileEntry(path);
  if (!file) return { top: `${path}/`, file: null }; // a folder whose slash somebody left out
  return { top: top !== null && path.startsWith(top) ? top : folderOf(path), file };
}

export function FilesView() {
  const { path, query } = route.value;
  const [fresh, again] = useState(0);
  const place = useAnswer(() => placeOf(path, query.get("top")), [path, query.get("top"), fresh]);
  const last = useRef<Place | null>(null); // is seen until the next one is known
  if (place.value) last.current = place.value;
  const { top, file } = last.current ?? { top: null, file: null };
  const filter = query.get("filter") ?? "";
  const address = (key: string) => hashOf("files", key, key.endsWith("/") ? {} : { top: top ?? "", ...(filter ? { filter } : {}) });
  useKeys({ "/": () => document.getElementById("filefilter")?.focus(), r: () => again((n) => n + 1) });
  return (
    <div class={`files ${file ? "chosen" : ""}`}>
      <h1 class="hidden-title">Files</h1>
      <section class="side" aria-label="Folder">
        <Crumbs path={top ?? ""} />
        <div class="filetools">
          <input id="filefilter" type="search" aria-label="Filter by name" placeholder="Filter by name ( / )" value={filter} onInput={(event) => setQuery({ filter: event.currentTarget.value })} />
          <button onClick={() => again((n) => n + 1)} title="r" aria-label="Read the folder again">
            ↻
          </button>
        </div>
        {place.error && <p role="alert">{place.error}</p>}
        {top !== null && <Tree top={top} file={file?.[0] ?? null} filter={filter} fresh={fresh} address={address} />}
      </section>
      <section class="shown" aria-label="Preview">
        {file ? <Shown entry={file} /> : <p class="nothing">Choose a file to see it. j and k move, Enter opens, ← and → close and open folders, / filters.</p>}
      </section>
    </div>
  );
}

function Crumbs({ path }: { path: string }) {
  const ways = crumbs(path);
  return (
    <nav class="crumbs" aria-label="Path">
      <a href={hashOf("files")} aria-label="The data folder">
        ⌂
      </a>
      {ways.map(([name, key], at) => (
        <span key={key}>
          <span aria-hidden="true"> / </span>
          <a href={hashOf("files", key)} aria-current={at + 1 === ways.length ? "page" : undefined}>
            {name}
          </a>
        </span>
      ))}
    </nav>
  );
}

function Shown({ entry: [key, size, mtime] }: { entry: Listed }) {
  return (
    <>
      <header class="about">
        <h2>{nameOf(key)}</h2>
        <span class="soft" title={moment(mtime)}>
          {bytes(size)} · {age(mtime)}
        </span>
        <span class="gap" />
        <a class="button" href={fileAddress(key)} download={nameOf(key)}>
          Download
        </a>
      </header>
      <div class="preview">
        <Preview key={key} file={key} size={size} version={mtime} />
      </div>
    </>
  );
}
