// What is handed out to be run is copied: the Python that makes this page, the command for a figure.

import { $ } from "./dom.js";

function startCopying(button, source, said) {
  $(button)?.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($(source).textContent);
      $(said).textContent = "Copied.";
    } catch {
      // A page in a frame may not write there; what is selected can be copied by hand.
      getSelection().selectAllChildren($(source));
      $(said).textContent = "Selected: copy it with Ctrl-C or Command-C.";
    }
  });
}

export function startProvenance() {
  startCopying("copy-python", "python", "copied");
  startCopying("copy-figure", "why-command", "figure-copied");
}
