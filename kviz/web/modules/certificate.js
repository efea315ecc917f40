// What a map was put to, in words.

import { element } from "./dom.js";
import { titleOf } from "./evidence.js";

// Returns a certificate as an element, none where nobody asked for it.
export function certified(one, which) {
  const certificate = one?.certificates[which];
  if (!certificate) return [];
  const [verdict, ...others] = certificate.words.map((words) => words.replaceAll(" %", "\u00a0%"));
  return [element("div", {},
    element("h3", { textContent: `Can ${titleOf(one)} be trusted for ${one.classes[which].name}?` }),
    element("p", { className: "verdict", textContent: verdict }),
    element("ul", {}, ...others.map((textContent) => element("li", { textContent }))))];
}
