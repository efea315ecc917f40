// Which layer, channel, cell and photo are looked at, and what is known of them.

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

// Returns the chosen cell as [row, column], the middle one where nobody chose.
export function chosenCell(height, width) {
  const found = /^(\d+),(\d+)$/.exec(look().cell);
  const inside = found && Number(found[1]) < height && Number(found[2]) < width;
  return inside ? [Number(found[1]), Number(found[2])] : [height >> 1, width >> 1];
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
