// A layer's feature maps as one picture: channels in rows, a gap of one pixel between them, below each
// row of named ones a strip that stays free for their names.

import { packedColour, palettes } from "./colours.js";
import { coloursOf, limitsOf } from "./maps.js";

// Returns the size of a mosaic of `count` channels, each `height` by `width`.
export function sizeOf({ height, width }, count, columns, strip = 0) {
  const rows = Math.ceil(count / columns);
  return { width: columns * (width + 1) - 1, height: rows * (height + strip + 1) - 1 };
}

// Returns the left top pixel of the tile at a place.
export function cornerOf({ height, width }, at, columns, strip = 0) {
  return { left: (at % columns) * (width + 1), top: Math.floor(at / columns) * (height + strip + 1) };
}

// Draws the channels of `order`, in that order.
export function drawMosaic(canvas, maps, how, { order, columns, strip = 0 }) {
  const { height, width } = maps;
  Object.assign(canvas, sizeOf(maps, order.length, columns, strip));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const out = new Uint32Array(image.data.buffer);
  // What lies below a row's names is left to the page.
  if (!strip) out.fill(how.cmap === "bwr" ? (255 << 24) | 0x808080 : packedColour(palettes[how.cmap], 0));
  const limits = limitsOf(maps, how.scale);
  order.forEach((channel, at) => {
    const colours = coloursOf(maps, channel, how, limits);
    let from = channel * height * width;
    const { left, top } = cornerOf(maps, at, columns, strip);
    for (let row = 0; row < height; row++) {
      let to = (top + row) * canvas.width + left;
      for (let column = 0; column < width; column++) out[to++] = colours[maps.codes[from++]];
    }
  });
  context.putImageData(image, 0, 0);
}

// Returns which cell of which channel lies under the pointer, and the channel's place; or null.
export function cellUnder({ clientX, clientY }, canvas, maps, { order, columns, strip = 0 }) {
  const box = canvas.getBoundingClientRect();
  const { width, height } = maps;
  const x = Math.floor(((clientX - box.left) / box.width) * canvas.width);
  const y = Math.floor(((clientY - box.top) / box.height) * canvas.height);
  const line = height + strip + 1;
  const at = Math.floor(y / line) * columns + Math.floor(x / (width + 1));
  const [row, column] = [y % line, x % (width + 1)];
  const inside = x >= 0 && y >= 0 && x < canvas.width && at < order.length && row < height && column < width;
  return inside ? { at, channel: order[at], row, column } : null;
}
