/** Light or dark: as the system says, unless somebody has switched. */

import { signal } from "@preact/signals";

const KEPT = "ml-logger-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
/** "light" or "dark": what is drawn now. */
export const theme = signal(localStorage.getItem(KEPT) ?? (system.matches ? "dark" : "light"));

system.addEventListener("change", () => {
  if (!localStorage.getItem(KEPT)) theme.value = system.matches ? "dark" : "light";
});

theme.subscribe((value) => {
  document.documentElement.dataset["theme"] = value;
});

export function ThemeSwitch() {
  const other = theme.value === "dark" ? "light" : "dark";
  const change = () => {
    localStorage.setItem(KEPT, other);
    theme.value = other;
  };
  return (
    <button class="quiet" onClick={change} aria-label={`Switch to ${other} colors`}>
      {theme.value === "dark" ? "☀" : "☾"}
    </button>
  );
}
