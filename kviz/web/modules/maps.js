// The numbers of feature maps as they are carried, one byte a value, and the colours they get.

import { palettes, packedColour } from "./colours.js";
import { clip } from "./dom.js";
import { numbers, told } from "./source.js";

// Returns the size of a layer's maps as they are carried.
export const carriedSize = (layer) => ({
  height: Math.ceil(layer.height / layer.factor),
  width: Math.ceil(layer.width / layer.factor),
});

// Returns a promise of a layer's maps of a photo: codes of one byte, and each channel's numbers.
export async function mapsOf(place, image) {
  const layer = told.layers[place];
  const buffer = await numbers(`maps-${place}-${image}`);
  const count = layer.channels;
  const row = (at) => new Float32Array(buffer, 4 * count * at, count);
  return {
    layer, place, image, count, ...carriedSize(layer),
    low: row(0), high: row(1), mean: row(2), deviation: row(3),
    codes: new Uint8Array(buffer, 16 * count),
  };
}

export const valueOf = (maps, channel, code) =>
  maps.low[channel] + (code * (maps.high[channel] - maps.low[channel])) / 255;

export function valueAt(maps, channel, row, column) {
  return valueOf(maps, channel, maps.codes[(channel * maps.height + row) * maps.width + column]);
}

// Returns a channel's values as float32, row by row.
export function valuesOf(maps, channel) {
  const size = maps.height * maps.width;
  const codes = maps.codes.subarray(channel * size, (channel + 1) * size);
  return Float32Array.from(codes, (code) => valueOf(maps, channel, code));
}

// Returns the limits of the colours of a layer, null where each channel has its own.
export function limitsOf(maps, scale) {
  if (scale === "channel") return null;
  const layers = (scale === "model" ? told.layers : [maps.layer]).filter((layer) => maps.image in (layer.low ?? []));
  return [
    Math.min(...layers.map((layer) => layer.low[maps.image])),
    Math.max(...layers.map((layer) => layer.high[maps.image])),
  ];
}

// Returns the function from values to levels 0-255 of one channel.
function levelsOf(maps, channel, { scale, cmap }, limits) {
  if (cmap === "bwr") {
    const [low, high] = limits ?? [maps.low[channel], maps.high[channel]];
    const peak = Math.max(Math.abs(low), Math.abs(high));
    return (value) => (peak > 0 ? clip(Math.round(((value + peak) * 255) / (2 * peak))) : 128);
  }
  if (scale === "channel") {
    const mean = maps.mean[channel];
    const deviation = maps.deviation[channel];
    if (!(deviation > 0)) return () => (mean === 0 ? 0 : 128);
    return (value) => Math.floor(clip(((value - mean) / deviation) * 64 + 128));
  }
  const [low, high] = limits;
  return (value) => (high > low ? clip(Math.round(((value - low) * 255) / (high - low))) : low === 0 ? 0 : 128);
}

// Returns the colours of a channel's 256 codes.
export function coloursOf(maps, channel, how, limits) {
  const level = levelsOf(maps, channel, how, limits);
  const palette = palettes[how.cmap];
  return Uint32Array.from({ length: 256 }, (_, code) =>
    packedColour(palette, level(valueOf(maps, channel, code))),
  );
}

// Returns how one channel alone is drawn, on a linear scale: its palette and the values at its ends.
export function linearScale(maps, channel) {
  const [low, high] = [maps.low[channel], maps.high[channel]];
  const peak = Math.max(Math.abs(low), Math.abs(high));
  return low < 0 ? { cmap: "bwr", low: -peak, high: peak } : { cmap: "viridis", low, high };
}

// Draws one channel alone on a canvas of its own size.
export function drawChannel(canvas, maps, channel) {
  const { cmap, low, high } = linearScale(maps, channel);
  const size = maps.height * maps.width;
  Object.assign(canvas, { width: maps.width, height: maps.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(maps.width, maps.height);
  const out = new Uint32Array(image.data.buffer);
  const level = (value) => (high > low ? clip(Math.round(((value - low) * 255) / (high - low))) : low === 0 ? 0 : 128);
  const colours = Uint32Array.from({ length: 256 }, (_, code) =>
    packedColour(palettes[cmap], level(valueOf(maps, channel, code))),
  );
  for (let at = 0; at < size; at++) out[at] = colours[maps.codes[channel * size + at]];
  context.putImageData(image, 0, 0);
}
