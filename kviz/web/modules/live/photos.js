// The photos of this window: where they come from, and the one that is looked at.

import { $, element } from "../dom.js";
import { chosenPhoto } from "../layers.js";
import { told } from "../source.js";
import { change, look, onChange } from "../state.js";
import { forgetPhoto, link } from "./server.js";
import { say, takeBack, trouble, troubleWords } from "./trouble.js";

const KEPT = "kviz-photos";
// By place in told.photos: the reply, with the arrays that the bench draws.
export const replies = [];
const listeners = new Set();
let adding = false;

// Calls `work(reply, place, moved)` whenever another photo is looked at; `moved` where the address has changed.
export function onPhoto(work) {
  listeners.add(work);
}

// Sends an image file and looks at it.
async function addFile(file) {
  let data;
  try {
    data = new Uint8Array(await file.arrayBuffer());
  } catch {
    say(`${file.name} cannot be read: it is a folder, or is gone.`);
    return null;
  }
  return add({ name: file.name || "pasted" }, { file: { data, shape: [data.length] } });
}

// Asks for a photo and looks at it: at `place`, or behind the others. Its head is marked with `marks`.
export async function add(options, arrays = {}, place = null, marks = {}) {
  try {
    takeBack();
    const reply = await link.ask("photo", options, { arrays });
    Object.assign(reply.head, marks);
    // Behind those that have come while this one was looked at.
    const at = take(reply, place ?? told.photos.length);
    const before = look().photo;
    adding = true;
    change({ photo: at });
    adding = false;
    // What is at the same place may be another photo now.
    show(look().photo !== before);
    return at;
  } catch (error) {
    trouble(error);
    return null;
  }
}

function take(reply, place) {
  const { head, arrays } = reply;
  const known = told.photos.findIndex(({ id }) => id === head.photo);
  const at = known >= 0 && place === told.photos.length ? known : place;
  if (told.photos[at]) forgetPhoto(at);
  told.photos[at] = {
    id: head.photo, name: head.name, width: head.width, height: head.height, tiny: head.tiny,
    // What the model is given may be no picture, as of a file of ten bands.
    src: arrays.pixels && painted(arrays.pixels).toDataURL(), classes: head.predictions.classes,
  };
  told.answers[at] = head.answer;
  told.explained[at] = explainedOf(head);
  told.layers.forEach((layer, number) => { layer.weights[at] = `weights-${number}-${at}`; });
  replies[at] = reply;
  remember();
  return at;
}

// The predicted class and the runner-up, which all maps and weights are of.
function explainedOf({ predictions }) {
  return predictions.quantity === "share" ? [] : predictions.classes.slice(0, 2);
}

// Returns pixels (H, W, 3) as a canvas.
export function painted(pixels) {
  const [height, width] = pixels.shape;
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  for (let at = 0, from = 0; at < out.length; at++, from += 3) {
    out[at] = (255 << 24) | (pixels[from + 2] << 16) | (pixels[from + 1] << 8) | pixels[from];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function remember() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(told.photos.map(({ id, name }) => ({ photo: id, name }))));
  } catch {
    // Without storage a reload begins anew.
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}

function drawStrip() {
  const now = chosenPhoto();
  $("strip").replaceChildren(...told.photos.map(({ name, src }, place) => {
    const button = element("button", {
      type: "button", title: name, attributes: { "aria-pressed": String(place === now), "aria-label": name },
    }, src ? element("img", { src, alt: "", width: 56, height: 56 }) : name);
    button.addEventListener("click", () => change({ photo: place }));
    return button;
  }));
  $("strip").hidden = told.photos.length < 2;
}

function show(moved) {
  const place = chosenPhoto();
  const reply = replies[place];
  if (!reply) return;
  drawStrip();
  for (const work of listeners) work(reply, place, moved);
}

let sent = Promise.resolve();

// Sends files behind those that were given before: the newest ask is answered first, and the last file that
// came is to be the one that is looked at.
function takeFiles(files) {
  // What a field has chosen is emptied before all of it is sent.
  const some = [...files];
  sent = sent.then(() => sendFiles(some));
}

async function sendFiles(files) {
  const said = new Set();
  for (const file of files) {
    if ((await addFile(file)) === null && troubleWords()) said.add(troubleWords());
  }
  // A file that can be looked at has taken back what was said of the one before.
  if (said.size) say([...said].join(" "));
}

export async function startPhotos() {
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    takeFiles($("file").files);
    $("file").value = "";
  });
  const { classList } = document.documentElement;
  addEventListener("dragover", (event) => {
    event.preventDefault();
    classList.add("dropping");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    classList.remove("dropping");
    takeFiles(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => takeFiles(event.clipboardData.files));
  onChange((now, before) => {
    if (now.photo !== before.photo && !adding) show(true);
  });
  // First those that a reload left behind, or those that the command was given.
  const kept = remembered();
  const first = kept.length ? kept : told.live.photos.map((photo) => ({ photo }));
  const wanted = look().photo;
  for (const options of first) {
    try {
      take(await link.ask("photo", options), told.photos.length);
    } catch (error) {
      // What the one who computes has forgotten is asked of nobody.
      if (error.code !== "gone") trouble(error);
    }
  }
  if (told.photos.length) change({ photo: told.photos[Number(wanted)] ? wanted : 0 }, { quietly: true });
  show(false);
}
