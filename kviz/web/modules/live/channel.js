// What the app adds to a channel: the sum that one cell is, its pattern, the best patches, and pins.

import { $, element, said } from "../dom.js";
import { latest } from "../latest.js";
import { cellAt, chosenChannel, chosenPhoto, chosenPlace, placeOf } from "../layers.js";
import { mapsOf } from "../maps.js";
import { told } from "../source.js";
import { change, look, onChange } from "../state.js";
import { link } from "./server.js";
import { pictured, run } from "./jobs.js";
import { takeBack, trouble } from "./trouble.js";

// An address may name what this model has not.
const isChosen = ({ layer }) => chosenChannel(told.layers[placeOf(layer)]?.channels ?? 0) !== null;
let last = 0;

// The sum worked out: what the cell sees times the kernel, channel by channel, and the bias.
async function workOut() {
  const now = look();
  const place = $("patch");
  const photo = chosenPhoto();
  place.hidden = !isChosen(now) || !now.at || !told.photos[photo];
  if (place.hidden) return;
  const mine = ++last;
  // How large the maps are is known for sure once they are there.
  const [row, column] = cellAt(await mapsOf(placeOf(now.layer), photo), chosenPlace());
  const { head, arrays } = await link.ask("patch", {
    photo: told.photos[photo].id, layer: now.layer, channel: Number(now.ch), row, column,
  });
  if (mine === last) place.replaceChildren(...patchTable(head, arrays));
}

function patchTable(head, { patch, kernel }) {
  const heading = element("h4", { textContent: "Kernel × patch = value" });
  if (!kernel) {
    return [heading, element("p", { textContent: `Its value is ${said(head.output)}: a layer without a kernel.` })];
  }
  const [height, width, channels] = kernel.shape;
  const shown = head.parts.slice(0, 3);
  const rows = shown.map(([channel, part]) => {
    const at = head.channels.indexOf(channel);
    return element("tr", {},
      element("th", { scope: "row", textContent: `input channel ${channel}` }),
      element("td", {}, grid(patch, at, height, width, channels)), element("td", { textContent: "×" }),
      element("td", {}, grid(kernel, at, height, width, channels)),
      element("td", { className: "number", textContent: `= ${said(part)}` }));
  });
  const activation = head.activation && head.activation !== "linear"
    ? `; after ${head.activation}: ${said(head.output)}` : "";
  const together = channels === 1 ? "The input channel:" : `All ${channels} input channels together:`;
  return [heading, element("table", { className: "sum" }, element("tbody", {}, ...rows)), element("p", {
    textContent: `${together} ${said(head.sum)}; with the bias ${said(head.bias)}: ${said(head.value)}${activation}.`,
  })];
}

// Returns a few numbers as a table within a table, as the patch and the kernel lie.
function grid(values, at, height, width, channels) {
  const rows = Array.from({ length: height }, (_, row) => element("tr", {}, ...Array.from({ length: width }, (__, column) =>
    element("td", { textContent: said(Number(values[(row * width + column) * channels + at].toPrecision(3))) }))));
  return element("table", { className: "numbers" }, element("tbody", {}, ...rows));
}

async function pattern() {
  const { layer, ch } = look();
  const options = { layer, channel: Number(ch), seed: Number($("pattern-seed").value) };
  const done = await run($("pattern"), { name: "pattern", options, start: $("pattern-start"), stop: $("pattern-stop"), words: `The pattern of ${layer}, channel ${ch}` });
  if (!done) return;
  const words = done.head.arrived ? `Pattern of ${layer}, channel ${ch}` : "Nothing moves this filter";
  $("pattern").replaceChildren(pictured(done.arrays.picture, words));
}

async function bestPatches() {
  const { layer, ch } = look();
  const { head, arrays } = await link.ask("best_patches", { layer, channel: Number(ch) });
  // Another channel may have been chosen meanwhile.
  if (look().layer !== layer || look().ch !== ch) return;
  takeBack();
  $("patches").replaceChildren(...head.patches.map(({ name, value }, at) =>
    pictured(arrays[`patch-${at}`], name, said(value))));
}

// Up to four channels stay in view and follow the photo.
const pins = [];
function pin() {
  const { layer, ch } = look();
  if (pins.some((one) => one.layer === layer && one.ch === ch)) return;
  if (pins.length === 4) pins.shift();
  pins.push({ layer, ch });
  drawPins();
}

async function draw() {
  const photo = chosenPhoto();
  $("pins").hidden = !pins.length;
  const figures = await Promise.all(pins.map(async ({ layer, ch }) => {
    const file = await link.ask("save", { as: "png", photos: [told.photos[photo].id], of: { ask: "maps", layer, channel: Number(ch) } });
    // Of a large map there are more bytes than a call takes arguments.
    const bytes = Array.from(file.arrays.file, (byte) => String.fromCharCode(byte)).join("");
    return [layer, ch, `data:image/png;base64,${btoa(bytes)}`];
  }));
  $("pins").replaceChildren(...figures.map(([layer, ch, src], at) => {
    const open = element("button", { type: "button", title: "Look at it" }, element("img", { src, alt: `${layer}, channel ${ch}` }), `${layer} ${ch}`);
    open.addEventListener("click", () => change({ layer, ch }));
    const out = element("button", { type: "button", textContent: "Unpin", attributes: { "aria-label": `Unpin ${layer}, channel ${ch}` } });
    out.addEventListener("click", () => {
      pins.splice(at, 1);
      drawPins();
    });
    return element("figure", { className: "picture" }, open, out);
  }));
}
const drawPins = latest(() => draw().catch(trouble));

export function startChannel() {
  $("pattern-start").addEventListener("click", () => pattern().catch(trouble));
  $("pin").addEventListener("click", pin);
  $("patches-start").hidden = !told.live.data;
  $("patches-start").addEventListener("click", () => bestPatches().catch(trouble));
  let timer = 0;
  onChange((now, before) => {
    if (now.photo !== before.photo && pins.length) drawPins();
    if (now.layer !== before.layer || now.ch !== before.ch) ["pattern", "patches"].forEach((id) => $(id).replaceChildren());
    $("channel-live").hidden = !isChosen(now);
    clearTimeout(timer);
    // Once the cell rests.
    timer = setTimeout(() => workOut().catch(trouble), 120);
  });
  $("channel-live").hidden = !isChosen(look());
}
