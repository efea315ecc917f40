// A second model beside the first: its answer to the same photo.

import { $, element } from "../dom.js";
import { told } from "../source.js";
import { link } from "./server.js";
import { onPhoto, painted, trouble } from "./photos.js";
import { pixelsOf, showCard } from "./bench.js";

let last = 0;

async function ask(reply) {
  const mine = ++last;
  const { head, arrays } = reply;
  const pixels = pixelsOf(painted(arrays.original ?? arrays.pixels));
  const { arrays: other } = await link.ask("photo", { name: head.name, model: 1 }, { arrays: pixels });
  if (mine !== last) return;
  const card = element("div");
  showCard(other, card);
  $("cards-other").replaceChildren(element("h3", { textContent: told.live.models[1].name }), card);
}

export function startCompare() {
  if (told.live.models.length < 2) return;
  onPhoto((reply) => ask(reply).catch(trouble));
}
