// A layer's feature maps as one picture: channels in rows, a gap of one pixel between them.

import { packedColour, palettes } from "./colours.js";
import { coloursOf, limitsOf, sizeOf } from "./maps.js";

export function drawMosaic(canvas, maps, how) {
  const { height, width, count, columns, layer } = maps;
  Object.assign(canvas, sizeOf(layer, columns));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const out = new Uint32Array(image.data.buffer);
  out.fill(how.cmap === "bwr" ? (255 << 24) | 0x808080 : packedColour(palettes[how.cmap], 0));
  const limits = limitsOf(maps, how.scale);
  for (let channel = 0; channel < count; channel++) {
    const colours = coloursOf(maps, channel, how, limits);
    let from = channel * height * width;
    const left = (channel % columns) * (width + 1);
    const top = Math.floor(channel / columns) * (height + 1);
    for (let row = 0; row < height; row++) {
      let to = (top + row) * canvas.width + left;
      for (let column = 0; column < width; column++) out[to++] = colours[maps.codes[from++]];
    }
  }
  context.putImageData(image, 0, 0);
}

// Returns which cell of which channel lies under the pointer, or null.
export function cellUnder(event, maps) {
  const box = event.currentTarget.getBoundingClientRect();
  const { width, height, count } = maps;
  const columns = (event.currentTarget.width + 1) / (width + 1);
  const x = Math.floor(((event.clientX - box.left) / box.width) * event.currentTarget.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * event.currentTarget.height);
  const channel = Math.floor(y / (height + 1)) * columns + Math.floor(x / (width + 1));
  const [row, column] = [y % (height + 1), x % (width + 1)];
  return channel < count && row < height && column < width ? { channel, row, column } : null;
}
