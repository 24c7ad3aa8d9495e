/** What somebody is writing: kept in the tab, so that another view, or loading the page again, loses nothing. */

export interface Draft {
  text: string;
  /** The text that it began with; null where there was none. */
  etag: string | null;
}

const NAME = "ml-logger-draft:";

export function readDraft(key: string): Draft | null {
  try {
    const draft = JSON.parse(sessionStorage.getItem(NAME + key) ?? "null") as Draft | null;
    return draft && typeof draft.text === "string" ? draft : null;
  } catch {
    return null;
  }
}

export function keepDraft(key: string, draft: Draft): void {
  try {
    sessionStorage.setItem(NAME + key, JSON.stringify(draft));
  } catch {
    // no room: the text is in the page all the same
  }
}

export function dropDraft(key: string): void {
  sessionStorage.removeItem(NAME + key);
}
