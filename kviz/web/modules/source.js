// Where numbers come from: what this page carries, or, where it is alive, the one who serves it.
//
// Panes know two things: `told`, what is known of the model, the photos and what was found, and
// `numbers(name)`, a promise of the bytes that an entry of `told` names. Whoever answers asks of a live
// page gives `answer`: it is called with a name and returns a promise of its bytes.

import { $ } from "./dom.js";

export const told = JSON.parse($("told").textContent);
// A photo is in the page once: beside the numbers, or, where a card shows it as it is, there.
told.photos.forEach((photo, place) => {
  photo.src ??= $(`photo-${place}`)?.textContent ?? document.querySelector(`img[data-photo="${place}"]`)?.src;
});
export const isLive = Boolean(told.live);

const unpacked = new Map();
let answer = null;

export function answerWith(work) {
  answer = work;
}

// Returns a promise of a name's numbers as an ArrayBuffer; they are unpacked, or asked for, once.
export function numbers(name) {
  if (!unpacked.has(name)) {
    const carried = $(name);
    const promise = carried ? unpack(carried.textContent) : answer(name);
    unpacked.set(name, promise);
    // What could not be had is asked for again.
    promise.catch(() => unpacked.delete(name));
  }
  return unpacked.get(name);
}

// Puts numbers that came by themselves under a name.
export function hold(name, buffer) {
  unpacked.set(name, Promise.resolve(buffer));
}

export function forget(name) {
  unpacked.delete(name);
}

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
