// The pane Provenance: the Python that makes this page, copied.

import { $ } from "./dom.js";

export function startProvenance() {
  const button = $("copy-python");
  button?.addEventListener("click", async () => {
    await navigator.clipboard.writeText($("python").textContent);
    $("copied").textContent = "Copied.";
  });
}
