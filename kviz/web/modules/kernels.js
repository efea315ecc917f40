// Kernels: of a channel the input channels that it weighs most, of the first convolution all filters.

import { packedColour, palettes } from "./colours.js";
import { clip, said } from "./dom.js";
import { numbers, told } from "./source.js";

const kernelsOf = (path) => (Object.hasOwn(told.kernels, path) ? told.kernels[path] : null);

// Returns a promise of a filter's panels: its heaviest input channels, in codes of -127 to 127.
async function kernelOf(path, filter) {
  const kernel = kernelsOf(path);
  if (!kernel || filter >= kernel.filters) return null;
  const buffer = await numbers(kernel.blob);
  const { filters, kept, height, width } = kernel;
  const size = kept * height * width;
  return {
    ...kernel,
    peak: new Float32Array(buffer, 0, filters)[filter],
    which: new Uint16Array(buffer, 4 * filters, filters * kept).subarray(filter * kept, (filter + 1) * kept),
    codes: new Int8Array(buffer, 4 * filters + 2 * filters * kept).subarray(filter * size, (filter + 1) * size),
  };
}

const level = (code) => clip(Math.round(((code + 127) * 255) / 254));

// Draws one filter's panels; returns whether there are any and what they are in words.
export async function drawKernel(canvas, path, channel) {
  const kernel = await kernelOf(path, channel);
  if (!kernel) return "";
  const { kept, height, width, channels, codes, peak } = kernel;
  const columns = Math.min(4, kept);
  // Single weights need no gap between them.
  const gap = Number(height * width > 1);
  canvas.width = columns * (width + gap) - gap;
  canvas.height = Math.ceil(kept / columns) * (height + gap) - gap;
  canvas.style.width = `${Math.min(200, 40 * canvas.width)}px`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const out = new Uint32Array(image.data.buffer);
  for (let panel = 0; panel < kept; panel++) {
    const left = (panel % columns) * (width + gap);
    const top = Math.floor(panel / columns) * (height + gap);
    for (let at = 0; at < height * width; at++) {
      const to = (top + Math.floor(at / width)) * canvas.width + left + (at % width);
      out[to] = packedColour(palettes.bwr, level(codes[panel * height * width + at]));
    }
  }
  context.putImageData(image, 0, 0);
  const part = kept < channels
    ? `the ${kept} of ${channels} input channels that it weighs most: ${[...kernel.which].join(", ")}`
    : `${channels} input channel${channels === 1 ? "" : "s"}`;
  return `Kernel, ${height} × ${width}, ${part}; from ${said(-peak)} (blue) to ${said(peak)} (red).`;
}

// Returns whether a layer is the first that has kernels: what it reads is the photo itself.
export function isFirst(path) {
  return told.tree.find((entry) => kernelsOf(entry.path))?.path === path;
}

// Draws all filters of a layer, and returns what they are in words.
export async function drawKernels(canvas, path) {
  const { filters, height, width, kept, rgb, channels } = await kernelOf(path, 0);
  const columns = Math.min(16, filters);
  canvas.width = columns * (width + 1) - 1;
  canvas.height = Math.ceil(filters / columns) * (height + 1) - 1;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const out = new Uint32Array(image.data.buffer);
  for (let filter = 0; filter < filters; filter++) {
    const { codes } = await kernelOf(path, filter);
    const left = (filter % columns) * (width + 1);
    const top = Math.floor(filter / columns) * (height + 1);
    const shade = (panel, at) => level(codes[panel * height * width + at]);
    for (let at = 0; at < height * width; at++) {
      const to = (top + Math.floor(at / width)) * canvas.width + left + (at % width);
      out[to] = rgb && kept === 3
        ? (255 << 24) | (shade(2, at) << 16) | (shade(1, at) << 8) | shade(0, at)
        : packedColour(palettes.bwr, shade(0, at));
    }
  }
  context.putImageData(image, 0, 0);
  canvas.style.width = `${canvas.width * Math.max(2, Math.min(10, Math.floor(640 / canvas.width)))}px`;
  const how = rgb ? "as colours, zero as mid-grey, each by its largest weight" : "blue below zero and red above, each by its largest weight";
  const over = `${channels} channel${channels === 1 ? "" : "s"}`;
  const kernels = filters === 1 ? "The kernel" : `The ${filters} kernels`;
  return `${kernels} of the first convolution: ${height} × ${width} over ${over}, ${how}.`;
}
