// What is seen, saved: as the report page, as the Python that makes it, or as a figure.

import { $ } from "../dom.js";
import { figured } from "../evidence.js";
import { save } from "../files.js";
import { told } from "../source.js";
import { link } from "./server.js";
import { trouble } from "./photos.js";

async function saved(options, button) {
  const before = button.textContent;
  button.disabled = true;
  button.textContent = "Being made …";
  try {
    const { head, arrays } = await link.ask("save", options, {
      onProgress: ({ progress: [done, total] }) => { button.textContent = `Being made: ${Math.round((100 * done) / total)} %`; },
    });
    save(head.name, [arrays.file], head.type);
  } catch (error) {
    trouble(error);
  }
  button.disabled = false;
  button.textContent = before;
}

// Returns the ask for a figure of what the pane Why shows.
function figure() {
  const { image, methods, classes } = figured();
  return {
    as: "pdf", photos: [told.photos[image].id], class_index: classes,
    of: methods.map((method) => ({ ask: "attribution", method })),
  };
}

export function startSaving() {
  const all = () => told.photos.map(({ id }) => id);
  const asks = {
    "save-report": () => ({ as: "report", photos: all() }),
    "save-python": () => ({ as: "python", photos: all() }),
    "why-pdf": figure,
  };
  for (const [id, options] of Object.entries(asks)) {
    $(id).addEventListener("click", () => saved(options(), $(id)));
  }
}
