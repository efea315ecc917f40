// A map over its photo: as opaque as its values are large, the photo in grey below it.

import { palettes } from "./colours.js";
import { levelOf } from "./evidence.js";
import { told } from "./source.js";

// Photos are decoded once; a camera brings new ones all the time.
const KEPT = 8;
const decoded = new Map();

// Returns a promise of a photo's pixels as ImageData, null where there is none.
export function pixelsOf(place) {
  const src = told.photos[place]?.src;
  if (!src) return Promise.resolve(null);
  if (!decoded.has(src)) {
    decoded.set(src, decode(src));
    if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
  }
  return decoded.get(src);
}

async function decode(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height);
}

// Returns a map's values at the size of a photo; of one that is carried smaller what lies between.
export function spread(values, one, width, height) {
  if (width === one.width && height === one.height) return values;
  const out = new Float32Array(width * height);
  const across = places(width, one.width);
  const down = places(height, one.height);
  for (let y = 0, at = 0; y < height; y++) {
    const [top, bottom, v] = down[y];
    for (let x = 0; x < width; x++, at++) {
      const [left, right, u] = across[x];
      const upper = values[top * one.width + left] * (1 - u) + values[top * one.width + right] * u;
      const lower = values[bottom * one.width + left] * (1 - u) + values[bottom * one.width + right] * u;
      out[at] = upper * (1 - v) + lower * v;
    }
  }
  return out;
}

// Returns for each pixel the cells between whose centres its own lies, and how far on the way.
function places(length, cells) {
  return Array.from({ length }, (_, pixel) => {
    const at = Math.min(cells - 1, Math.max(0, ((pixel + 0.5) * cells) / length - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(low + 1, cells - 1), at - low];
  });
}

// Draws columns `begin` to `end` of a map into an image of the photo's size.
//
// A side is `{values, palette, part, low, high, from}`: values at that size, how they are coloured, and
// the size from which on they are shown.
export function lay(image, photo, side, { opacity, grey }, begin, end) {
  const { values, part, low, high, from } = side;
  const palette = palettes[side.palette];
  const out = image.data;
  for (let row = 0; row < image.height; row++) {
    for (let column = begin; column < end; column++) {
      const at = row * image.width + column;
      const value = part(values[at]);
      const size = Math.abs(value);
      const shown = size >= from && high > 0 && (size > 0 || !photo);
      const share = !shown ? 0 : photo ? Math.min(1, size / high) * opacity : 1;
      const level = 3 * (shown ? levelOf(value, low, high) : 0);
      const to = 4 * at;
      const brightness = photo && grey
        ? (299 * photo.data[to] + 587 * photo.data[to + 1] + 114 * photo.data[to + 2]) / 1000
        : null;
      for (let channel = 0; channel < 3; channel++) {
        const below = photo ? brightness ?? photo.data[to + channel] : 0;
        out[to + channel] = Math.round(below * (1 - share) + palette[level + channel] * share);
      }
      out[to + 3] = photo || shown ? 255 : 0;
    }
  }
}

// Draws a photo alone into an image.
export function layPhoto(image, photo, how) {
  const nothing = { values: new Float32Array(image.width * image.height), palette: "gray", part: Math.abs, low: 0, high: 0, from: 0 };
  lay(image, photo, nothing, how, 0, image.width);
}

// Draws a colour bar as the colours are seen over mid-grey: as opaque as their values are large.
export function drawFadingBar(canvas, { palette, low, high }, { opacity }, over) {
  Object.assign(canvas, { width: 256, height: 1 });
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  barColours(palette, low, high, over ? opacity : null).forEach((colour, level) => {
    image.data.set([...colour, 255], 4 * level);
  });
  context.putImageData(image, 0, 0);
}

// Returns the 256 colours of a bar from `low` to `high`.
export function barColours(name, low, high, opacity) {
  const palette = palettes[name];
  return Array.from({ length: 256 }, (_, level) => {
    const value = low + ((high - low) * level) / 255;
    const share = opacity === null || !(high > 0) ? 1 : (Math.abs(value) / high) * opacity;
    return [0, 1, 2].map((channel) => Math.round(128 * (1 - share) + palette[3 * level + channel] * share));
  });
}
