// Colour maps as tables of 256 colours, and what is drawn with them.

import { numbers, told } from "./source.js";

export const palettes = {};

export async function loadPalettes() {
  for (const name of told.cmaps) {
    palettes[name] = new Uint8Array(await numbers(`cmap-${name}`));
  }
}

// Returns a colour as a canvas has it, in the order of bytes of every machine that browsers run on.
export function packedColour(palette, level) {
  const at = 3 * level;
  return (255 << 24) | (palette[at + 2] << 16) | (palette[at + 1] << 8) | palette[at];
}

export function drawBar(canvas, palette) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  const out = new Uint32Array(image.data.buffer);
  for (let level = 0; level < 256; level++) out[level] = packedColour(palette, level);
  context.putImageData(image, 0, 0);
}
