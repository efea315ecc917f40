// The pane Inside: layers as a tree and as a graph, one layer, one channel of it.

import { $, option } from "./dom.js";
import { markGraph, startGraph } from "./graph.js";
import { inspect, inspectNothing, showClasses, startInspector } from "./inspector.js";
import { drawLayer, markChannel, startLayer } from "./layer.js";
import { chosenChannel, chosenLayer, chosenPhoto, neighbour } from "./layers.js";
import { weightsOf } from "./sorting.js";
import { told } from "./source.js";
import { change, onChange } from "./state.js";
import { markDead, markTree, startTree } from "./tree.js";

// What is drawn: maps and weights of a layer, and which channel.
let shown = null;
let channel = 0;

// One drawing after another: one that waits for its numbers would otherwise cover a later choice.
let drawing = Promise.resolve();
function queued(work) {
  delete $("inside").dataset.drawn;
  const mine = drawing.then(work, work);
  drawing = mine;
  // Nothing waits any more.
  mine.then(() => mine === drawing && ($("inside").dataset.drawn = ""), () => {});
  return mine;
}
export const redrawInside = () => queued(draw);
// Resolves when all that is asked for is drawn, or could not be.
export const insideDrawn = () => drawing.catch(() => {});

async function draw() {
  shown = await drawLayer();
  await drawChannel();
  if (!shown || shown.weights !== undefined) return;
  // They take a pass of their own, for which the maps have not waited.
  shown.weights = null;
  try {
    shown.weights = await weightsOf(shown.maps.place, shown.maps.image);
  } finally {
    // Where they cannot be had, those of another layer are not left standing.
    showClasses(shown.weights);
  }
}

// Shows the chosen channel; where nobody chose one, the first in an order that was asked for, else, where
// there is room, the most active.
async function drawChannel() {
  if (!shown) {
    markChannel(null);
    return inspectNothing();
  }
  const { maps, weights, order } = shown;
  const strongest = maps.mean.reduce((best, mean, at) => (mean > maps.mean[best] ? at : best), 0);
  const chosen = chosenChannel(maps.count);
  const asked = chosen ?? ($("maps-sort").value ? order[0] : null);
  $("inspector").classList.toggle("unasked", asked === null);
  markChannel(asked);
  channel = asked ?? strongest;
  const which = asked === null ? "The most active channel" : "The first channel in this order";
  await inspect(maps, channel, weights, chosen === null ? `${which}; choose another in the picture of the layer.` : "");
}

// Looks at a layer; the page moves where its heading cannot be seen.
function chooseLayer(path) {
  change({ layer: path, ch: "" });
  show($("layer-h"));
}

function show(heading) {
  const { top, bottom } = heading.getBoundingClientRect();
  if (top < 48 || bottom > innerHeight - 80) heading.scrollIntoView({ block: "start" });
}

function chooseChannel(ch, at, asked) {
  // A click in a picture that is sorted by a place does not sort it anew.
  const isKept = at === null || isByPlace();
  change({ layer: chosenLayer(), ch, ...(!isKept && { at }) });
  if (asked) drawing.then(toInspector);
}

function toInspector() {
  $("channel-h").focus({ preventScroll: true });
  show($("channel-h"));
}

function stepChannel(by) {
  const { count } = shown.maps;
  change({ layer: chosenLayer(), ch: (channel + by + count) % count });
}

const isByPlace = () => $("maps-sort").value === "place";

// Chooses a place. The channel shown stays, but for one that nobody chose where the place sorts the channels:
// then the first in the new order is shown.
function choosePlace(at) {
  change({ at, ...(!isByPlace() && { ch: channel }) }, { quietly: true });
}

function follow(now, before) {
  if (now.layer !== before.layer) mark();
  if (now.photo !== before.photo) markDead();
  if (["layer", "photo", "sort"].some((key) => now[key] !== before[key])) redrawInside();
  else if (now.at !== before.at && isByPlace()) redrawInside();
  else if (now.ch !== before.ch || now.at !== before.at) queued(drawChannel);
  if ($("maps-photo")) $("maps-photo").value = String(chosenPhoto());
}

function mark() {
  markTree(chosenLayer());
  markGraph(chosenLayer());
}

function listenPhotos() {
  told.photos.forEach(({ name }, photo) => option($("maps-photo"), photo, name));
  $("maps-photo-row").hidden = told.photos.length < 2;
  $("maps-photo").value = String(chosenPhoto());
  $("maps-photo").addEventListener("change", ({ target }) => change({ photo: target.value }));
}

export async function startInside() {
  if (!$("inside-panes")) return;
  startTree(chooseLayer);
  startGraph(chooseLayer);
  startLayer(chooseChannel, redrawInside);
  startInspector(stepChannel, choosePlace);
  listenPhotos();
  $("maps-sort").addEventListener("change", ({ target }) => change({ sort: target.value }));
  $("sort-here").addEventListener("click", () => change({ sort: "place", ch: "" }));
  $("mosaic-look").addEventListener("click", toInspector);
  for (const [id, by] of [["layer-before", -1], ["layer-after", 1]]) {
    $(id).addEventListener("click", (event) => {
      const path = neighbour(chosenLayer(), by);
      if (path === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      chooseLayer(path);
    });
  }
  onChange(follow);
  mark();
  markDead();
  await redrawInside();
}
