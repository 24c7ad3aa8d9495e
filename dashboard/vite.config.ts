import { defineConfig, type Plugin } from "vite";

/** What uPlot makes of the languages of the browser as soon as it is loaded, and what stands there instead. */
const LANGUAGES: [string, string][] = [
  ["const numFormatter = new Intl.NumberFormat(domEnv ? nav.language : 'en-US');", "const numFormatter = { format: String };"],
  ["const localTz = new Intl.DateTimeFormat().resolvedOptions().timeZone;", "const localTz = undefined;"],
];

/** Leave out of uPlot what none of our axes use: it costs the first view of the page 40 ms. */
function withoutLanguages(): Plugin {
  return {
    name: "uplot-without-languages",
    transform(code, id) {
      if (!id.includes("/uplot/") || !id.endsWith(".js")) return null;
      return LANGUAGES.reduce((rest, [what, instead]) => {
        if (!rest.includes(what)) this.warn(`uPlot has no longer: ${what}`);
        return rest.replace(what, instead);
      }, code);
    },
  };
}

// Addresses in what is built are relative: the page works below any path, behind any proxy.
export default defineConfig({
  base: "./",
  plugins: [withoutLanguages()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../ml_logger/dashboard/assets",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    target: "es2022",
  },
});
