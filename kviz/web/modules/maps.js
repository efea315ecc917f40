// The numbers of feature maps as they are carried, one byte a value, and the colours they get.

import { palettes, packedColour } from "./colours.js";
import { clip } from "./dom.js";
import { numbers, told } from "./source.js";

// Returns a layer with the size of its maps as they are carried, and how many stand in a row.
export function rowsOf(layer) {
  return {
    layer,
    height: Math.ceil(layer.height / layer.factor),
    width: Math.ceil(layer.width / layer.factor),
    // On a narrow screen half as many, or they would be stamps.
    columns: Math.min(layer.columns, innerWidth < 600 ? 8 : Infinity),
  };
}

// Returns the size of a layer's mosaic, with a gap of one pixel.
export function sizeOf(layer, columns) {
  const { height, width } = rowsOf(layer);
  const rows = Math.ceil(layer.channels / columns);
  return { width: columns * (width + 1) - 1, height: rows * (height + 1) - 1 };
}

// Returns a layer's maps of a photo: codes of one byte, and each channel's numbers.
export async function mapsOf(place, image) {
  const { layer, columns, height, width } = rowsOf(told.layers[place]);
  const buffer = await numbers(`maps-${place}-${image}`);
  const count = layer.channels;
  const row = (at) => new Float32Array(buffer, 4 * count * at, count);
  return {
    layer, image, height, width, count, columns,
    low: row(0), high: row(1), mean: row(2), deviation: row(3),
    codes: new Uint8Array(buffer, 16 * count),
  };
}

export const valueOf = (maps, channel, code) =>
  maps.low[channel] + (code * (maps.high[channel] - maps.low[channel])) / 255;

// Returns the limits of the colours of a layer, null where each channel has its own.
export function limitsOf(maps, scale) {
  const layers = scale === "model" ? told.layers : scale === "layer" ? [maps.layer] : null;
  return layers && [
    Math.min(...layers.map((layer) => layer.low[maps.image])),
    Math.max(...layers.map((layer) => layer.high[maps.image])),
  ];
}

// Returns the values at the ends of the colours, of a channel where each has its own.
export function endsOf(maps, channel, { scale, cmap }) {
  const limits = limitsOf(maps, scale);
  const [low, high] = limits ?? [maps.low[channel], maps.high[channel]];
  const peak = Math.max(Math.abs(low), Math.abs(high));
  if (cmap === "bwr") return [-peak, peak];
  if (limits) return limits;
  const [mean, deviation] = [maps.mean[channel], maps.deviation[channel]];
  return [mean - 2 * deviation, mean + (127 / 64) * deviation];
}

// Returns the function from values to levels 0-255 of one channel.
export function levelsOf(maps, channel, { scale, cmap }, limits) {
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
