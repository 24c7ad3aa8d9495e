/** What kind of file a name promises, and so how it is shown. Pure. */

export type Kind = "image" | "drawing" | "video" | "audio" | "json" | "markdown" | "diff" | "text" | "array" | "records" | "unknown";

const SUFFIXES: Record<Exclude<Kind, "unknown">, string> = {
  image: "png apng jpg jpeg gif webp bmp avif ico",
  drawing: "svg",
  video: "mp4 webm m4v mov ogv",
  audio: "wav mp3 ogg oga flac m4a",
  json: "json",
  markdown: "md markdown",
  diff: "diff patch",
  text:
    "txt log out err csv tsv jsonl yml yaml toml ini cfg conf rst tex html htm xhtml xml css " +
    "py pyi ipynb sh bash js ts tsx c h cc cpp cu go rs java jl lua r sql lock",
  array: "npy npz",
  records: "pkl pickle",
};

const KINDS = new Map<string, Kind>(
  Object.entries(SUFFIXES).flatMap(([kind, suffixes]) => suffixes.split(" ").map((suffix): [string, Kind] => [suffix, kind as Kind])),
);

/** The last part of a key; of a folder the one before its slash. */
export function nameOf(key: string): string {
  return key.replace(/\/$/, "").split("/").at(-1) ?? key;
}

/** The folder that a file or a folder lies in, with its slash; empty for the data folder. */
export function folderOf(key: string): string {
  return key.slice(0, key.replace(/\/$/, "").lastIndexOf("/") + 1);
}

/** A file without a suffix, or with one that is not known, is "unknown": its first bytes must tell. */
export function kindOf(key: string): Kind {
  const [, suffix = ""] = /[^.]\.([a-z]+[0-9]*)$/i.exec(nameOf(key)) ?? [];
  return KINDS.get(suffix.toLowerCase()) ?? "unknown";
}

/** Whether a browser shows it as a picture. */
export function isPicture(key: string): boolean {
  return ["image", "drawing"].includes(kindOf(key));
}

/** A key as a glob that matches nothing else. */
export function literal(key: string): string {
  return key.replace(/[*?[]/g, "[$&]");
}

/** What the head of an .npy file says: its dtype and shape, as numpy writes them; null where it is none. */
export function arrayHead(bytes: Uint8Array): string | null {
  if (String.fromCharCode(...bytes.slice(1, 6)) !== "NUMPY") return null;
  const head = new TextDecoder("latin1").decode(bytes.slice(10));
  const dtype = /'descr':\s*('[^']*'|\[.*?\])\s*,/.exec(head)?.[1];
  const shape = /'shape':\s*(\([^)]*\))/.exec(head)?.[1];
  return dtype && shape ? `dtype ${dtype.replaceAll("'", "")}, shape ${shape}` : null;
}
