// What could not be done, as a note that is closed, or taken back once something else that was asked for is done.

import { $ } from "../dom.js";

// Who had the keys when it came.
let before = null;

export const troubleWords = () => ($("trouble").hidden ? "" : $("trouble-words").textContent);

export function say(text) {
  if ($("trouble").hidden) before = document.activeElement;
  $("trouble").hidden = false;
  $("trouble-words").textContent = text;
}

export function trouble(error) {
  if (error.code === "over") return;
  say(error.code ? error.message : `Something in kviz failed: ${error.message}`);
}

export function takeBack() {
  if ($("trouble").contains(document.activeElement)) before?.focus({ preventScroll: true });
  $("trouble").hidden = true;
}

export function startTrouble() {
  $("trouble-close").addEventListener("click", takeBack);
  addEventListener("keydown", ({ key }) => key === "Escape" && takeBack());
}
