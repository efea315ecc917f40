// The one who computes, as the panes need it: photos are numbered as in `told.photos`.

import { $ } from "../dom.js";
import { Link, Parent, Socket } from "../link.js";
import { answerWith, forget, hold, told } from "../source.js";
import { say } from "./trouble.js";

const STATES = {
  open: "",
  refused: "kviz cannot be reached: too many pages are open, or it has ended. Trying again.",
  closed: "The connection to kviz is lost. Trying again; nothing that was computed is lost.",
  ended: "The kernel that this page asks has ended. Run the notebook's cells again, this one last.",
};

// What has ended for good is said where it is seen at once.
function show(state) {
  if (state === "ended") say(STATES[state]);
  else $("connection").textContent = STATES[state];
}

function transport() {
  if (parent !== window) return new Parent(show);
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = location.search;
  url.hash = "";
  return new Socket(url, show);
}

export let link = null;

// Connects, and answers for the numbers of photos, which panes ask for by name.
export function connect() {
  link = new Link(transport());
  answerWith(numbersNamed);
}

async function numbersNamed(name) {
  const layered = Object.entries(told.kernels).find(([, { blob }]) => blob === name);
  if (layered) return bytesOf((await link.ask("kernels", { layer: layered[0] })).arrays.kernels);
  const [, what, place, photo] = name.match(/^(maps|weights)-(\d+)-(\d+)$/) ?? [];
  if (!what) throw new Error(`There are no numbers called ${name}.`);
  const layer = told.layers[Number(place)];
  const { id } = told.photos[Number(photo)];
  const { head, arrays } = await link.ask(what, { photo: id, layer: layer.path });
  if (what === "maps") learn(layer, Number(photo), head);
  return bytesOf(arrays[what]);
}

// What a layer's maps tell of the layer: a list there has an entry a photo.
const OF_A_PHOTO = ["low", "high", "empty", "bad"];
function learn(layer, photo, head) {
  for (const [key, value] of Object.entries(head)) {
    // Weights are an ask of their own, by the names that they have already.
    if (["id", "ask", "model", "arrays", "path", "weights"].includes(key)) continue;
    if (!OF_A_PHOTO.includes(key)) layer[key] = value;
    else {
      layer[key] = [...(layer[key] ?? [])];
      layer[key][photo] = value[0];
    }
  }
}

// Returns a copy's bytes, which begin where a typed array may begin.
function bytesOf(array) {
  return array.buffer.slice(array.byteOffset, array.byteOffset + array.byteLength);
}

// Forgets the numbers of a photo, whose place another one takes.
export function forgetPhoto(photo) {
  told.layers.forEach((_, place) => ["maps", "weights"].forEach((what) => forget(`${what}-${place}-${photo}`)));
  told.attributions = told.attributions.filter((one) => one.image !== photo);
}

// Returns a photo's attribution by a method, asked for once.
const asked = new Map();
export function explain(method, photo, way = {}) {
  const { id } = told.photos[photo];
  const key = JSON.stringify([id, method]);
  if (!asked.has(key)) {
    const wanted = link.ask("attribution", { photo: id, method }, way).then(({ head, arrays }) => {
      const blob = `attribution-${method}-${id}`;
      hold(blob, bytesOf(arrays.maps));
      return { ...head, blob, card: arrays.card };
    });
    asked.set(key, wanted);
    wanted.catch(() => asked.delete(key));
  }
  return asked.get(key).then((one) => ({ ...one, image: photo }));
}
