/** Views that are loaded when somebody first goes there. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A view that stands for the one that is being loaded. */
export function lazily(load: () => Promise<ComponentType>): ComponentType {
  let loaded: ComponentType | null = null;
  return function Lazy() {
    const [state, tell] = useState<"loading" | "there" | "failed">(loaded ? "there" : "loading");
    useEffect(() => {
      if (loaded) return;
      load().then(
        (view) => ((loaded = view), tell("there")),
        () => tell("failed"),
      );
    }, []);
    if (state === "failed") return <p role="alert">This view could not be loaded: the server may be away, or a newer one. Load the page again.</p>;
    const View = loaded;
    return View ? <View /> : null;
  };
}
