// The pane Provenance: the Python that makes this page, copied.

import { $ } from "./dom.js";

export function startProvenance() {
  $("copy-python")?.addEventListener("click", async () => {
    const text = $("python").textContent;
    try {
      await navigator.clipboard.writeText(text);
      $("copied").textContent = "Copied.";
    } catch {
      // A page in a frame may not write there; what is selected can be copied by hand.
      getSelection().selectAllChildren($("python"));
      $("copied").textContent = "Selected: copy it with Ctrl-C or Command-C.";
    }
  });
}
