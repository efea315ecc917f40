// In which order a layer's channels stand: by number, by activity, by their value at one place of the photo,
// by what they count for a class.

import { said } from "./dom.js";
import { cellAt, chosenPlace } from "./layers.js";
import { valueAt } from "./maps.js";
import { numbers, told } from "./source.js";

// The classes that are explained of a photo, in the order of the weights.
export const classesOf = (photo) => told.explained?.[photo] ?? [];

// Returns whether a layer's channels have Grad-CAM weights for a photo.
export const isWeighed = (place, photo) => Boolean(told.layers[place].weights?.[photo] && classesOf(photo).length);

// Returns a promise of these, an array a class, null where there are none.
export async function weightsOf(place, photo) {
  if (!isWeighed(place, photo)) return null;
  const { weights, channels } = told.layers[place];
  const buffer = await numbers(weights[photo]);
  return classesOf(photo).map((_, at) => new Float32Array(buffer, 4 * at * channels, channels));
}

// Returns what channels can be sorted by: [value, words].
export function sortings(place, photo) {
  const classes = isWeighed(place, photo) ? classesOf(photo) : [];
  return [
    ["", "number"],
    ["mean", "activity (mean)"],
    ["place", "value at the chosen place"],
    ...classes.map(({ name }, at) => [`weight-${at}`, `weight to ${name}`]),
  ];
}

export const isByWeight = (sort) => sort?.startsWith("weight-") ?? false;

// Returns a number for each channel, by which `sort` orders them, null of the order by number.
function sizesBy({ maps, weights }, sort) {
  const at = /^weight-(\d+)$/.exec(sort)?.[1];
  if (at !== undefined) return weights?.[at] ?? null;
  if (sort === "mean") return maps.mean;
  if (sort !== "place") return null;
  const [row, column] = cellAt(maps, chosenPlace());
  return Float32Array.from({ length: maps.count }, (_, channel) => valueAt(maps, channel, row, column));
}

// Returns the channels in the order of `sort`, the highest first; equal ones by number.
export function orderOf(shown, sort) {
  const order = Array.from({ length: shown.maps.count }, (_, channel) => channel);
  const by = sizesBy(shown, sort);
  return by ? order.sort((one, other) => by[other] - by[one] || one - other) : order;
}

const FIRST = 5;

// Returns which channels are first, and by what; "" of the order by number.
export function firstWords(shown, sort) {
  const by = sizesBy(shown, sort);
  if (!by) return "";
  const first = orderOf(shown, sort).slice(0, FIRST).map((channel) => `${channel}: ${said(by[channel])}`);
  const more = by.length > FIRST ? ", …" : "";
  const [row, column] = cellAt(shown.maps, chosenPlace());
  const what = { mean: "mean", place: `value at row ${row}, column ${column}` }[sort] ?? "weight";
  return `Channel ${first.join(", ")}${more} (${what}; the highest first).`;
}

// Returns a channel's value at the chosen place, where channels are sorted by it; else "".
export function placeWords(maps, sort, channel) {
  return sort === "place" ? `${said(valueAt(maps, channel, ...cellAt(maps, chosenPlace())))} at the chosen place` : "";
}
