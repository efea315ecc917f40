// In which order a layer's channels stand: by number, by activity, by what they count for a class.

import { numbers, told } from "./source.js";

// The classes that are explained of a photo, in the order of the weights.
export const classesOf = (photo) => told.explained?.[photo] ?? [];

// Returns a promise of a layer's Grad-CAM weights of a photo, an array a class, null where there are none.
export async function weightsOf(place, photo) {
  const { weights, channels } = told.layers[place];
  if (!weights?.[photo] || !classesOf(photo).length) return null;
  const buffer = await numbers(weights[photo]);
  return classesOf(photo).map((_, at) => new Float32Array(buffer, 4 * at * channels, channels));
}

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
