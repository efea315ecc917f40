// Attribution maps: which is looked at, its numbers, its colours, and how much of it is kept.

import { clip, said } from "./dom.js";
import { numbers, told } from "./source.js";
import { look } from "./state.js";

export const mapsOf = (photo) => told.attributions.filter((one) => one.image === photo);
export const found = (method, photo) =>
  told.attributions.find((one) => one.method === method && one.image === photo);
export const nameOf = (photo) => told.photos[photo]?.name ?? `image ${photo}`;
export const titleOf = (one) => one.title || one.method.replaceAll("_", " ");
export const isZero = (one, which) => one.zero?.[which] ?? (one.low[which] === 0 && one.high[which] === 0);

// Returns the names of all methods with what they are called, in the order in which they were asked for.
export function methods() {
  return [...new Map(told.attributions.map((one) => [one.method, titleOf(one)]))];
}

const photoCount = () =>
  Math.max(told.photos.length, ...told.attributions.map((one) => one.image + 1));

// Returns what is looked at: a photo, one of the classes explained, its map, undefined where there is none, and
// as `{one, which}` the sides that are shown: that map's, and the one that it is compared with.
export function chosen() {
  const { photo, method, class: place, with: wanted } = look();
  const image = Math.max(0, Math.min(Number(photo) || 0, photoCount() - 1));
  const all = mapsOf(image);
  const most = all.length ? all[0].classes.length - 1 : 0;
  const which = Math.min(Math.max(0, Number(place) || 0), most);
  const one = all.find((each) => each.method === method) ?? preselected(all, image, which);
  const sides = [one && { one, which }, sideBeside(wanted, one, which, image)].filter(Boolean);
  return { image, which, one, sides };
}

// Returns the side that is compared: another method for the same class, or, as `class-1`, the same method for
// another class; undefined where there is none.
function sideBeside(wanted, one, which, image) {
  const place = /^class-(\d+)$/.exec(wanted)?.[1];
  const other = place === undefined ? found(wanted, image) : one;
  const at = Number(place ?? which);
  const isSame = other === one && at === which;
  return other?.classes[at] && !isSame ? { one: other, which: at } : undefined;
}

// Returns the methods and classes that a figure of what is shown has.
export function figured() {
  const { image, sides } = chosen();
  return {
    image,
    methods: [...new Set(sides.map(({ one }) => one.method))],
    classes: [...new Set(sides.map(({ one, which }) => one.classes[which].index))],
  };
}

// Where nobody chose: the first method whose map is not zero.
function preselected(all, image, which) {
  const first = all.find((one) => one.method === told.first_methods?.[image]);
  if (first && !isZero(first, which)) return first;
  return all.find((one) => !isZero(one, which)) ?? all[0];
}

const unpacked = new WeakMap();

// Returns a map's numbers for one of its classes.
export async function valuesOf(one, which) {
  const buffer = await numbers(one.blob);
  if (!unpacked.has(buffer)) unpacked.set(buffer, []);
  const held = unpacked.get(buffer);
  held[which] ??= read(one, which, buffer);
  return held[which];
}

function read(one, which, buffer) {
  const size = one.height * one.width;
  if (one.whole) return new Float32Array(buffer, 4 * which * size, size);
  const step = (one.high[which] - one.low[which]) / 255;
  return Float32Array.from(new Uint8Array(buffer, which * size, size), (code) => one.low[which] + code * step);
}

// Returns what is drawn of a value.
const PARTS = {
  both: (value) => value,
  for: (value) => Math.max(0, value),
  against: (value) => Math.max(0, -value),
  size: Math.abs,
};

// Returns how a map is coloured: its palette, and the values at the ends of it.
export function colouring(one, which, { sign, cmap }) {
  const signed = one.low[which] < 0 && sign === "both";
  const palette = cmap === "auto" ? (signed ? "bwr" : "viridis") : cmap;
  const high = one.peak[which];
  return { palette, part: PARTS[sign], low: signed || palette === "bwr" ? -high : 0, high };
}

export const levelOf = (value, low, high) =>
  high > low ? clip(Math.round(((value - low) * 255) / (high - low))) : 0;

const ordered = new WeakMap();

// Returns what is kept where only the strongest percent of all pixels are shown: from which size on, how
// many these are, and their share of the sum of all sizes.
export function strongest(values, sign, percent) {
  const bySign = ordered.get(values) ?? {};
  ordered.set(values, bySign);
  bySign[sign] ??= Float32Array.from(values, (value) => Math.abs(PARTS[sign](value)) || 0).sort();
  const sizes = bySign[sign];
  const count = Math.max(1, Math.round((percent / 100) * sizes.length));
  const from = sizes[sizes.length - count];
  let [kept, sum, all] = [0, 0, 0];
  for (const size of sizes) {
    all += size;
    // Those that are as large as the last one, too; what is zero is not shown anyway.
    if (size > 0 && size >= from) [kept, sum] = [kept + 1, sum + size];
  }
  return { from, kept, of: sizes.length, share: all > 0 ? sum / all : 0 };
}

// Returns where what a map shows lies, as a sentence; "" of one that is zero or whose regions are not told.
export function whereWords(one, which) {
  const words = one.where?.[which];
  return words ? `${capital(kindOf(one))} ${words}.` : "";
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Returns what a map is, in words: method, layer, class and score.
export function described(one, which) {
  const at = one.layers.length ? ` at ${one.layers.join(", ")}` : "";
  const gap = one.gaps ? `, completeness gap ${said(one.gaps[which])}` : "";
  return `${titleOf(one)}${at}: ${evidenceFor(one, which)}${gap}.`;
}

// A method that knows only sizes does not tell what is for a class and what against it.
export const kindOf = (one) => one.kind ?? "evidence";

// Returns what a map shows of a class, such as "evidence for tabby, logit 8.1".
export function evidenceFor(one, which) {
  return `${kindOf(one)} for ${one.classes[which].name}, ${scoreOf(one, which)}`;
}

export const scoreOf = (one, which) => `${one.score_name} ${said(one.scores[which])}`;

// Returns what is said in place of a map that is zero everywhere, "" of any other.
export function nothingIn(one, which) {
  if (!isZero(one, which)) return "";
  return one.nothing?.[which] || `${titleOf(one)} is zero everywhere: no evidence for ${one.classes[which].name}.`;
}
