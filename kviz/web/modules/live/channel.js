// What the app adds to a channel: the sum that one cell is, its pattern, the best patches, and pins.

import { $, element, said } from "../dom.js";
import { inspected, onInspect } from "../inspector.js";
import { latest } from "../latest.js";
import { cellAt, chosenPhoto, chosenPlace, placeOf } from "../layers.js";
import { mapsOf } from "../maps.js";
import { told } from "../source.js";
import { change, onChange } from "../state.js";
import { link } from "./server.js";
import { pictured, run } from "./jobs.js";
import { takeBack, trouble } from "./trouble.js";

let last = 0;

// The sum worked out: what the cell sees times the kernel, channel by channel, and the bias.
async function workOut() {
  // On a small screen a channel that nobody asked for is not shown.
  if (!inspected() || !$("inspector").checkVisibility()) return;
  const mine = ++last;
  const { layer, channel } = inspected();
  const place = placeOf(layer);
  if (!told.layers[place].patch) {
    $("patch").replaceChildren(element("p", { className: "quiet", textContent: "Kernel × patch is shown for convolutions and pooling." }));
    return;
  }
  const photo = chosenPhoto();
  // How large the maps are is known for sure once they are there.
  const [row, column] = cellAt(await mapsOf(place, photo), chosenPlace());
  const { head, arrays } = await link.ask("patch", { photo: told.photos[photo].id, layer, channel, row, column });
  if (mine === last) $("patch").replaceChildren(...patchTable(head, arrays));
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
  const { layer, channel } = inspected();
  const options = { layer, channel, seed: Number($("pattern-seed").value) };
  const done = await run($("pattern"), { name: "pattern", options, start: $("pattern-start"), stop: $("pattern-stop"), words: `The pattern of ${layer}, channel ${channel}` });
  if (!done) return;
  const words = done.head.arrived ? `Pattern of ${layer}, channel ${channel}` : "Nothing moves this filter";
  $("pattern").replaceChildren(pictured(done.arrays.picture, words));
}

async function bestPatches() {
  const wanted = inspected();
  const { head, arrays } = await link.ask("best_patches", wanted);
  // Another channel may have been chosen meanwhile.
  if (!isSame(inspected(), wanted)) return;
  takeBack();
  $("patches").replaceChildren(...head.patches.map(({ name, value }, at) =>
    pictured(arrays[`patch-${at}`], name, said(value))));
}

const isSame = (one, other) => one?.layer === other?.layer && one?.channel === other?.channel;

// Up to four channels stay in view and follow the photo.
const pins = [];
function pin() {
  const wanted = inspected();
  if (pins.some((one) => isSame(one, wanted))) return;
  if (pins.length === 4) pins.shift();
  pins.push(wanted);
  drawPins();
}

async function draw() {
  const photo = chosenPhoto();
  $("pins").hidden = !pins.length;
  const figures = await Promise.all(pins.map(async ({ layer, channel }) => {
    const file = await link.ask("save", { as: "png", photos: [told.photos[photo].id], of: { ask: "maps", layer, channel } });
    // Of a large map there are more bytes than a call takes arguments.
    const bytes = Array.from(file.arrays.file, (byte) => String.fromCharCode(byte)).join("");
    return [layer, channel, `data:image/png;base64,${btoa(bytes)}`];
  }));
  $("pins").replaceChildren(...figures.map(([layer, channel, src], at) => {
    const open = element("button", { type: "button", title: "Look at it" }, element("img", { src, alt: `${layer}, channel ${channel}` }), `${layer} ${channel}`);
    open.addEventListener("click", () => change({ layer, ch: channel }));
    const out = element("button", { type: "button", textContent: "Unpin", attributes: { "aria-label": `Unpin ${layer}, channel ${channel}` } });
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
  onChange((now, before) => {
    if (now.photo !== before.photo && pins.length) drawPins();
  });
  let timer = 0;
  let before = null;
  const follow = () => {
    const now = inspected();
    if (!isSame(now, before)) ["pattern", "patches", "patch"].forEach((id) => $(id).replaceChildren());
    before = now;
    clearTimeout(timer);
    // Once the cell rests.
    timer = setTimeout(() => workOut().catch(trouble), 120);
  };
  onInspect(follow);
  follow();
}
