// A layer in plain sentences.

import { placeOf, plural, sizes } from "./layers.js";
import { told } from "./source.js";

export function layerWords(entry, photo) {
  const layer = told.layers[placeOf(entry.path)];
  const words = [];
  const inside = entry.contains ? ` of ${plural(entry.contains, "layer")}` : "";
  const weights = entry.parameters ? plural(entry.parameters, "parameter") : "no parameters";
  words.push(`${entry.kind}${inside}${entry.window ? ` with ${entry.window}` : ""}; ${weights}.`);
  words.push(layer
    ? `It makes ${plural(layer.channels, "channel")} of ${layer.height} × ${layer.width}` +
      `${layer.factor > 1 ? `, carried here as means of ${layer.factor} × ${layer.factor}` : ""}.`
    : `Its output is ${sizes(entry.shape) || "a number"}.`);
  if (entry.field) words.push(`Receptive field: ${entry.field}.`);
  if (layer) words.push(deadWords(layer, photo));
  const bad = layer?.bad?.[photo];
  if (bad) words.push(`${plural(bad, "value")} ${bad === 1 ? "is" : "are"} not finite, drawn as zero.`);
  return words.filter(Boolean).join(" ");
}

function deadWords(layer, photo) {
  const dead = layer.empty?.[photo];
  if (dead === undefined) return "";
  if (dead === 0) return "No channel is dead for this photo.";
  const all = plural(layer.channels, "channel");
  return `${dead} of ${all} ${dead === 1 ? "is" : "are"} dead for this photo: zero everywhere.`;
}
