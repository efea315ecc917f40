// Which layer, channel, place and photo are looked at, and what is known of them.

import { look } from "./state.js";
import { told } from "./source.js";

export const placeOf = (path) => told.layers.findIndex((layer) => layer.path === path);
export const entryOf = (path) => told.tree.find((entry) => entry.path === path);

// Returns the path of the layer that is looked at: the chosen one, else the first that has maps.
export function chosenLayer() {
  const { layer } = look();
  return entryOf(layer) ? layer : told.first_layer ?? told.layers[0]?.path ?? told.tree[0]?.path ?? "";
}

export const chosenPhoto = () => Math.min(Math.max(0, Number(look().photo) | 0), Math.max(0, told.photos.length - 1));

// Returns the chosen channel, null where nobody chose one that is there.
export function chosenChannel(count) {
  const { ch } = look();
  return /^\d+$/.test(ch) && Number(ch) < count ? Number(ch) : null;
}

// Returns the chosen place of the photo: how far down and across, as shares of it; the middle where nobody
// chose. It is the same for all layers, whatever the size of their maps.
export function chosenPlace() {
  const found = /^(-?\d*\.?\d+),(-?\d*\.?\d+)$/.exec(look().at);
  return found ? [Number(found[1]), Number(found[2])] : [0.5, 0.5];
}

// Returns the cell of a layer's maps, [row, column], whose receptive field's middle lies nearest to a place.
export function cellAt({ layer, image }, place) {
  return place.map((share, axis) => {
    const from = middles(layer, image, axis).map((middle) => Math.abs(middle - share));
    return from.reduce((nearest, distance, at) => (distance < from[nearest] ? at : nearest), 0);
  });
}

// Returns the place of a cell, as an address has it.
export function placeOfCell({ layer, image }, cell) {
  return cell.map((at, axis) => Number(middles(layer, image, axis)[at].toFixed(4))).join(",");
}

// Returns where the middles of a layer's rows, or columns, lie; where nothing is known of receptive fields
// the map is as wide and high as the photo.
function middles({ height, width, factor, field }, image, axis) {
  const length = [height, width][axis];
  const photo = told.photos[image];
  const isKnown = photo && typeof field !== "string" && field.size.length === 2;
  return Array.from({ length: Math.ceil(length / factor) }, (_, at) => {
    const middle = (at * factor + Math.min((at + 1) * factor, length) - 1) / 2;
    return isKnown
      ? (field.centre[axis] + middle * field.stride[axis] + 0.5) / [photo.height, photo.width][axis]
      : (middle + 0.5) / length;
  });
}

// Returns what an image element shows of a photo, undefined where the model takes none.
export const photoSource = (photo) => told.photos[photo]?.src;

// Returns the path of the layer before or after another, of those that have maps; null at the ends.
export function neighbour(path, by) {
  const shown = (entry) => placeOf(entry.path) >= 0;
  const at = told.tree.findIndex((entry) => entry.path === path);
  const others = by < 0 ? told.tree.slice(0, Math.max(0, at)).reverse() : told.tree.slice(at + 1);
  return others.find(shown)?.path ?? null;
}

export const sizes = (values) => values.map((value) => value ?? "?").join(" × ");
export const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
