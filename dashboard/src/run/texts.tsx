/** One of several files, chosen from a list: logs, code, changes. The address says which. */

import { fileAddress } from "../api";
import { bytes } from "../files/format";
import { nameOf } from "../files/kinds";
import { Preview } from "../files/preview";
import type { Listed } from "../files/tree";
import { hashOf, route, setQuery } from "../route";

export function OneOf({ files, folder, label }: { files: readonly Listed[]; folder: string; label: string }) {
  const wanted = route.value.query.get("file");
  const [file, size, version] = files.find(([key]) => key.slice(folder.length) === wanted) ?? files[0] ?? [];
  if (file === undefined || size === undefined) return null;
  // What grows is followed by its view; what is replaced is another version.
  const isLog = /\.(log|out|err)$/i.test(file);
  return (
    <>
      <div class="filetools">
        <label>
          {label}{" "}
          <select value={file} onChange={(event) => setQuery({ file: event.currentTarget.value.slice(folder.length) })}>
            {files.map(([key, length]) => (
              <option key={key} value={key}>
                {key.slice(folder.length)} ({bytes(length)})
              </option>
            ))}
          </select>
        </label>
        <span class="gap" />
        <a href={hashOf("files", file)}>In files</a>
        <a href={fileAddress(file)} download={nameOf(file)}>
          Download
        </a>
      </div>
      <Preview key={isLog ? file : `${file} ${version}`} file={file} size={size} version={isLog ? "" : (version ?? "")} />
    </>
  );
}
