// What is seen, saved: as the report page, or as the Python that makes it.

import { $ } from "../dom.js";
import { save } from "../files.js";
import { told } from "../source.js";
import { link } from "./server.js";
import { trouble } from "./photos.js";

async function saved(as, button) {
  const before = button.textContent;
  button.disabled = true;
  button.textContent = "Being made …";
  try {
    const { head, arrays } = await link.ask("save", { as, photos: told.photos.map(({ id }) => id) }, {
      onProgress: ({ progress: [done, total] }) => { button.textContent = `Being made: ${Math.round((100 * done) / total)} %`; },
    });
    save(head.name, [arrays.file], head.type);
  } catch (error) {
    trouble(error);
  }
  button.disabled = false;
  button.textContent = before;
}

export function startSaving() {
  for (const as of ["report", "python"]) {
    const button = $(`save-${as}`);
    button.addEventListener("click", () => saved(as, button));
  }
}
