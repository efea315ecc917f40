// In which order a layer's channels stand: by number, by activity, by what they count for a class.

import { told } from "./source.js";
import { $ } from "./dom.js";
import { isLive, numbers } from "./source.js";

// Returns a promise of a layer's Grad-CAM weights of a photo, an array a class, null where there are none.
export async function weightsOf(place, photo) {
  const name = `weights-${place}-${photo}`;
  if (!classesOf(photo).length || (!isLive && !$(name))) return null;
  const buffer = await numbers(name).catch(() => null);
  if (!buffer) return null;
  const count = told.layers[place].channels;
  return classesOf(photo).map((_, at) => new Float32Array(buffer, 4 * at * count, count));
}

export const classesOf = (photo) => told.photos[photo]?.classes ?? [];

// Returns what channels can be sorted by: [value, words].
export function sortings(photo, weights) {
  const classes = weights ? classesOf(photo) : [];
  return [
    ["", "number"],
    ["mean", "activity (mean)"],
    ...classes.map(({ name }, at) => [`weight-${at}`, `weight to ${name}`]),
  ];
}

// Returns the channels in the order of `sort`, the highest first; equal ones by number.
export function orderOf(maps, sort, weights) {
  const order = Array.from({ length: maps.count }, (_, channel) => channel);
  const at = /^weight-(\d+)$/.exec(sort)?.[1];
  const by = sort === "mean" ? maps.mean : at !== undefined ? weights?.[at] : null;
  return by ? order.sort((one, other) => by[other] - by[one] || one - other) : order;
}
