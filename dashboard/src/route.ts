/** Where the page is: everything that changes what is seen stands in the part of the address behind the #. */

import { signal } from "@preact/signals";

export interface Route {
  view: string;
  path: string;
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [place = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", ...rest] = place.split("/");
  return { view: view || "runs", path: rest.map(decode).join("/"), query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a % that somebody typed
  }
}

export function hashOf(view: string, path = "", query?: URLSearchParams | Record<string, string>): string {
  const place = [view, ...(path ? path.split("/").map(encodeURIComponent) : [])].join("/");
  const asked = new URLSearchParams(query).toString();
  return `#/${place}${asked ? `?${asked}` : ""}`;
}

export const route = signal<Route>(parseRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

/** Go somewhere, as a link does. */
export function go(view: string, path = "", query?: URLSearchParams | Record<string, string>): void {
  location.hash = hashOf(view, path, query);
}

/** Change parts of the query; null takes one out. What is typed or dragged makes no new entry in the history. */
export function setQuery(changes: Record<string, string | null>): void {
  const { view, path, query } = route.value;
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  history.replaceState(null, "", hashOf(view, path, next));
  route.value = { view, path, query: next };
}
