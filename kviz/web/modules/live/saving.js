// What is seen, saved: as the report page, as the Python that makes it, or as a figure.

import { $ } from "../dom.js";
import { chosen, figured, methods } from "../evidence.js";
import { save } from "../files.js";
import { told } from "../source.js";
import { link } from "./server.js";
import { takeBack, trouble } from "./trouble.js";

async function saved(options, button) {
  const before = button.textContent;
  button.disabled = true;
  button.textContent = "Being made …";
  try {
    const { head, arrays } = await link.ask("save", options, {
      onProgress: ({ progress: [done, total] }) => { button.textContent = `Being made: ${Math.round((100 * done) / total)} %`; },
    });
    save(head.name, [arrays.file], head.type);
    takeBack();
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

// Returns what a page of all photos has: the methods that were computed for them and, where it is not each
// photo's predicted class, the one that is explained.
function seen() {
  const { which, one } = chosen();
  const names = methods().map(([method]) => method);
  return {
    photos: told.photos.map(({ id }) => id),
    ...(names.length && { methods: names }),
    ...(which > 0 && { class_index: one.classes[which].index }),
  };
}

// Returns the ask for the program that makes that page, and the attribution that is shown.
function program() {
  const { one } = chosen();
  const page = seen();
  return { as: "python", ...page, ...(one && { of: { ask: "attribution", method: one.method, class_index: page.class_index } }) };
}

export function startSaving() {
  const asks = {
    "save-report": () => ({ as: "report", ...seen() }),
    "save-python": program,
    "why-pdf": figure,
  };
  for (const [id, options] of Object.entries(asks)) {
    $(id).addEventListener("click", () => saved(options(), $(id)));
  }
}
