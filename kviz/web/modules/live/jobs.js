// Slow work: a button that starts it, one that stops it, its steps as they come.

import { element } from "../dom.js";
import { link } from "./server.js";
import { painted } from "./photos.js";
import { takeBack, trouble } from "./trouble.js";

// Runs a slow ask into `place`: a picture that changes while it is made. Returns its reply, null if stopped.
export async function run(place, { name, options, start, stop, words }) {
  const bar = element("progress", { max: 1, value: 0, attributes: { "aria-label": words } });
  const figure = element("figure", { className: "picture" }, bar);
  place.replaceChildren(figure);
  const ended = new AbortController();
  const cancel = () => ended.abort();
  stop.addEventListener("click", cancel);
  [start.hidden, stop.hidden] = [true, false];
  try {
    const reply = await link.ask(name, options, {
      signal: ended.signal,
      onProgress: ({ progress: [done, total] }, { picture }) => {
        Object.assign(bar, { max: total, value: done });
        if (picture) figure.replaceChildren(bar, named(painted(picture), words));
      },
    });
    takeBack();
    return reply;
  } catch (error) {
    place.replaceChildren();
    trouble(error);
    return null;
  } finally {
    stop.removeEventListener("click", cancel);
    [start.hidden, stop.hidden] = [false, true];
  }
}

// Returns a canvas that says what it shows.
export function named(canvas, words) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  canvas.classList.toggle("tiny", Math.max(canvas.width, canvas.height) < 128);
  return canvas;
}

// Returns a picture with its words under it.
export function pictured(pixels, title, detail = "") {
  const caption = element("figcaption", {}, title, element("span", { className: "quiet", textContent: detail }));
  return element("figure", { className: "picture" }, named(painted(pixels), title), caption);
}
