// A second model beside the first: its answer to the same photo.

import { $, element } from "../dom.js";
import { told } from "../source.js";
import { link } from "./server.js";
import { onPhoto } from "./photos.js";
import { trouble } from "./trouble.js";
import { showCard } from "./bench.js";

let last = 0;

async function ask(reply) {
  const mine = ++last;
  // The photo itself, of which this page has a smaller one: the second model is given what it takes of it.
  const { arrays: other } = await link.ask("photo", { photo: reply.head.photo, model: 1 });
  if (mine !== last) return;
  const card = element("div");
  showCard(other, card);
  $("cards-other").replaceChildren(element("h3", { textContent: told.live.models[1].name }), card);
}

export function startCompare() {
  if (told.live.models.length < 2) return;
  onPhoto((reply) => ask(reply).catch(trouble));
}
