// Methods on demand: the quick ones at once for every photo, the others as jobs that can be stopped.

import { $, element } from "../dom.js";
import { found } from "../evidence.js";
import { insideDrawn } from "../inside.js";
import { chosenPhoto } from "../layers.js";
import { told } from "../source.js";
import { change } from "../state.js";
import { redrawWhy } from "../why.js";
import { showCard } from "./bench.js";
import { explain } from "./server.js";
import { onPhoto } from "./photos.js";
import { takeBack, trouble } from "./trouble.js";

// Which are computed for every photo without being asked for.
const AT_ONCE = told.live?.at_once ?? [];

function known() {
  return told.live.models[0].methods;
}

// In the order in which a report has them, whichever came first.
const rank = ({ method }) => (AT_ONCE.includes(method) ? AT_ONCE.indexOf(method) : AT_ONCE.length);

function put(one) {
  const same = ({ method, image }) => method === one.method && image === one.image;
  const others = told.attributions.filter((each) => !same(each));
  told.attributions = [...others, one].sort((a, b) => rank(a) - rank(b));
}

// Adds what the quick methods find in a photo, one after another, so that the first does not wait for the others.
async function explainAtOnce(place) {
  const { id } = told.photos[place];
  const names = known().map(({ name }) => name);
  for (const method of AT_ONCE.filter((name) => names.includes(name))) {
    try {
      const one = await explain(method, place);
      // Another photo has taken its place.
      if (told.photos[place]?.id !== id) return;
      put(one);
      // Where the evidence is, is known now.
      if (method === AT_ONCE[0] && one.card && chosenPhoto() === place) showCard(one);
      if (chosenPhoto() === place) await redrawWhy();
      // What a reader waits for is drawn before the processors are busy again.
      await insideDrawn();
    } catch (error) {
      // A model without convolutions has no class activation map, and is not asked for one again.
      if (error.code !== "cannot" && error.code !== "option") trouble(error);
    }
  }
}

let isBusy = false;

// Offers the methods that are not computed for the photo, and will not be without being asked for; of one
// that lacks a package it says which command installs it.
function offer() {
  const photo = chosenPhoto();
  const select = $("more-method");
  const before = select.value;
  const offered = known().filter(({ name }) => !AT_ONCE.includes(name) && !found(name, photo));
  select.replaceChildren(...offered.map(({ name, title, slow, missing }) => {
    const note = missing ? ` (not installed: ${missing})` : slow ? " (takes longer)" : "";
    return element("option", { value: name, textContent: `${title}${note}`, disabled: Boolean(missing), selected: name === before });
  }));
  $("more-start").disabled = isBusy || !select.value;
}

async function compute() {
  const place = chosenPhoto();
  const method = $("more-method").value;
  const [start, stop, bar] = ["more-start", "more-stop", "more-progress"].map($);
  const ended = new AbortController();
  const cancel = () => ended.abort();
  stop.addEventListener("click", cancel);
  isBusy = true;
  [start.disabled, stop.hidden, bar.hidden] = [true, false, false];
  bar.removeAttribute("value");
  try {
    const onProgress = ({ progress: [done, total] }) => Object.assign(bar, { max: total, value: done });
    put(await explain(method, place, { onProgress, signal: ended.signal }));
    takeBack();
    change({ method, photo: place });
    await redrawWhy();
  } catch (error) {
    trouble(error);
  }
  stop.removeEventListener("click", cancel);
  isBusy = false;
  [stop.hidden, bar.hidden] = [true, true];
  offer();
}

export function startMethods() {
  offer();
  $("more-start").addEventListener("click", compute);
  onPhoto((_, place) => {
    offer();
    explainAtOnce(place);
  });
}
