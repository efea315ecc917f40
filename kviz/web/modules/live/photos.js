// The photos of this window: where they come from, and the one that is looked at.

import { $, element } from "../dom.js";
import { told } from "../source.js";
import { change, look, onChange } from "../state.js";
import { forgetPhoto, link } from "./server.js";

const KEPT = "kviz-photos";
// By place in told.photos: the reply, with the arrays that the bench draws.
export const replies = [];
const listeners = new Set();
let adding = false;

// Calls `work(reply, place)` whenever another photo is looked at.
export function onPhoto(work) {
  listeners.add(work);
}

export function trouble(error) {
  if (error.code === "over") return;
  const said = error.code ? error.message : `Something in kviz failed: ${error.message}`;
  $("trouble").textContent = said;
  $("trouble").hidden = false;
}

// Sends an image file and looks at it.
async function addFile(file) {
  const data = new Uint8Array(await file.arrayBuffer());
  return add({ name: file.name || "pasted" }, { file: { data, shape: [data.length] } });
}

// Asks for a photo and looks at it: at `place`, or behind the others. Its head is marked with `marks`.
export async function add(options, arrays = {}, place = told.photos.length, marks = {}) {
  try {
    $("trouble").hidden = true;
    const reply = await link.ask("photo", options, { arrays });
    Object.assign(reply.head, marks);
    const at = take(reply, place);
    adding = true;
    change({ photo: at });
    adding = false;
    // What is at the same place may be another photo now.
    show();
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
    src: painted(arrays.pixels).toDataURL(), classes: head.predictions.classes,
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
  for (let at = 0; at < width * height; at++) {
    image.data.set(pixels.subarray(3 * at, 3 * at + 3), 4 * at);
    image.data[4 * at + 3] = 255;
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
  const now = Number(look().photo);
  $("strip").replaceChildren(...told.photos.map(({ name, src }, place) => {
    const button = element("button", {
      type: "button", title: name, attributes: { "aria-pressed": String(place === now), "aria-label": name },
    }, element("img", { src, alt: "", width: 56, height: 56 }));
    button.addEventListener("click", () => change({ photo: place }));
    return button;
  }));
  $("strip").hidden = told.photos.length < 2;
}

function show() {
  const place = Number(look().photo);
  const reply = replies[place];
  if (!reply) return;
  drawStrip();
  for (const work of listeners) work(reply, place);
}

function takeFiles(files) {
  [...files].reduce((before, file) => before.then(() => addFile(file)), Promise.resolve());
}

export async function startPhotos() {
  $("trouble").addEventListener("click", () => { $("trouble").hidden = true; });
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
    if (now.photo !== before.photo && !adding) show();
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
  show();
}
