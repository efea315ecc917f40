// One channel: its map on a linear scale, what a cell sees of the photo, the kernel that made it, the
// classes that it feeds.

import { drawBar, palettes } from "./colours.js";
import { $, element, said } from "./dom.js";
import { csv, npy, plainName, save } from "./files.js";
import { drawKernel } from "./kernels.js";
import { cellAt, chosenPlace, photoSource, placeOfCell } from "./layers.js";
import { drawChannel, linearScale, valueAt, valuesOf } from "./maps.js";
import { classesOf } from "./sorting.js";
import { told } from "./source.js";

const SIDE = 320;
let seen = null;
let cell = [0, 0];
const listeners = new Set();

// Returns the channel that is shown, whoever chose it, null where there is none.
export const inspected = () => seen && { layer: seen.maps.layer.path, channel: seen.channel };

// Calls `work()` whenever a channel is shown, or one of its places.
export function onInspect(work) {
  listeners.add(work);
}

function tellAll() {
  for (const work of listeners) work();
}

// Shows a channel; `weights` are those of its layer, null where it has none, undefined where they come
// later; `why` says why it is this one, "" where a reader chose it.
export async function inspect(maps, channel, weights, why) {
  seen = { maps, channel };
  const { layer } = maps;
  const name = layer.class_names?.[channel];
  $("inspector").hidden = false;
  $("channel-h").replaceChildren(`Channel ${channel}`, ...(name ? [": ", element("bdi", { textContent: name })] : []));
  $("channel-of").textContent = `of ${layer.path}`;
  $("channel-why").textContent = why;
  const canvas = $("channel-map");
  const title = `${layer.path}, channel ${channel}${name ? `, ${name}` : ""}`;
  canvas.setAttribute("aria-label", `${title}: ${maps.height} rows of ${maps.width} cells`);
  drawChannel(canvas, maps, channel);
  sized(canvas, maps.width, maps.height);
  drawScale();
  drawPhoto();
  drawPattern();
  if (weights !== undefined) showClasses(weights);
  moveTo(chosenPlace());
  tellAll();
  const words = await drawKernel($("channel-kernel"), layer.path, channel);
  // Another channel may have been chosen meanwhile, which is drawn after this one.
  $("channel-kernel-pane").hidden = !words;
  $("channel-kernel-detail").textContent = words;
  $("channel-kernel").setAttribute("aria-label", words);
}

export function inspectNothing() {
  seen = null;
  $("inspector").hidden = true;
  tellAll();
}

function drawScale() {
  const { maps, channel } = seen;
  const scale = linearScale(maps, channel);
  const [low, high] = [maps.low[channel], maps.high[channel]];
  drawBar($("channel-bar"), palettes[scale.cmap]);
  $("channel-low").textContent = said(scale.low);
  $("channel-high").textContent = said(scale.high);
  const factor = maps.layer.factor;
  $("channel-detail").textContent = low === 0 && high === 0
    ? "Dead for this photo: zero everywhere."
    : `From ${said(low)} to ${said(high)}, mean ${said(maps.mean[channel])}; values to within ${said((high - low) / 510)}` +
      (factor > 1 ? `; each cell is the mean of ${factor} × ${factor}.` : ".");
}

// Gives a picture a size at which it fills its pane, without smoothing where it is small.
function sized(picture, width, height) {
  const times = Math.min(SIDE / Math.max(width, height), 60);
  picture.style.width = `${width * times}px`;
  picture.style.aspectRatio = `${width} / ${height}`;
  picture.style.imageRendering = times > 1.5 ? "pixelated" : "auto";
}

function drawPhoto() {
  const { image } = seen.maps;
  const source = photoSource(image);
  $("channel-photo-pane").hidden = !source;
  if (!source) return;
  const { name, width, height } = told.photos[image];
  const shown = $("channel-photo").querySelector("img");
  if (shown.src !== source) shown.src = source;
  shown.alt = `The image ${name}`;
  $("channel-photo").setAttribute("aria-label", `The image ${name}, on which a place is chosen`);
  sized(shown, width, height);
}

function drawPattern() {
  const { maps, channel } = seen;
  const place = told.patterns?.[maps.layer.path]?.[channel];
  const source = $("patterns")?.querySelectorAll("img")[place]?.src;
  $("channel-pattern-pane").hidden = !source;
  if (!source) return;
  $("channel-pattern").src = source;
  $("channel-pattern").alt = `The pattern that channel ${channel} of ${maps.layer.path} looks for`;
}

// Lists what the channel counts for each class that is explained, and its rank among the others.
export function showClasses(weights) {
  const { maps, channel } = seen;
  const classes = classesOf(maps.image);
  $("channel-classes-pane").hidden = !weights;
  if (!weights) return;
  const peak = Math.max(...weights.map((of) => Math.abs(of[channel]))) || 1;
  $("channel-classes").replaceChildren(...classes.map(({ name }, at) => {
    const weight = weights[at][channel];
    const rank = weights[at].reduce((more, other) => more + (other > weight), 1);
    const side = weight === 0 ? "neither for nor against" : weight > 0 ? "for" : "against";
    const bar = element("span", { className: `bar ${side}`, attributes: { "aria-hidden": "true" } });
    bar.style.setProperty("--share", `${(100 * Math.abs(weight)) / peak}%`);
    return element("li", {}, element("span", {}, `${side} `, element("bdi", { textContent: name })), bar,
      element("span", { className: "quiet", textContent: `${said(weight)}, rank ${rank} of ${maps.count}` }));
  }));
  $("channel-classes-words").textContent =
    "Grad-CAM weights: by how much the class's logit rises where the whole map rises; and the channel's rank in its layer.";
}

// Returns the first pixel that a cell sees along an axis, and the one after the last.
function reach(field, axis, at, factor, count) {
  const first = field.offset[axis] + at * factor * field.stride[axis];
  const last = Math.min((at + 1) * factor, count) - 1;
  return [first, field.offset[axis] + last * field.stride[axis] + field.size[axis]];
}

// Looks at the cell that lies nearest to a place of the photo.
function moveTo(place) {
  const { maps, channel } = seen;
  const { height, width } = maps;
  cell = cellAt(maps, place);
  const mark = $("channel-frame").querySelector(".cell");
  placed(mark, [(100 * cell[1]) / width, (100 * cell[0]) / height, 100 / width, 100 / height]);
  $("channel-value").textContent = `Row ${cell[0]}, column ${cell[1]}: ${said(valueAt(maps, channel, ...cell))}`;
  drawField();
}

function placed(box, [left, top, width, height]) {
  Object.entries({ left, top, width, height }).forEach(([side, share]) => (box.style[side] = `${share}%`));
}

// Frames what a cell sees of the photo: of what reaches over the border the part that is photo.
function drawField() {
  const { layer, image } = seen.maps;
  const box = $("channel-photo").querySelector(".field");
  const photo = told.photos[image];
  const { field } = layer;
  const known = typeof field !== "string" && field.size.length === 2;
  box.hidden = !photo || (!known && field !== "whole image");
  if (!photo) return;
  if (box.hidden) {
    $("channel-field").textContent = field === "unknown" ? "What a cell sees of the photo is not known." : "";
    return;
  }
  const [top, bottom] = known ? reach(field, 0, cell[0], layer.factor, layer.height) : [0, photo.height];
  const [left, right] = known ? reach(field, 1, cell[1], layer.factor, layer.width) : [0, photo.width];
  const [x, y] = [within(left, photo.width), within(top, photo.height)];
  const [wide, tall] = [within(right, photo.width) - x, within(bottom, photo.height) - y];
  placed(box, [(100 * x) / photo.width, (100 * y) / photo.height, (100 * wide) / photo.width, (100 * tall) / photo.height]);
  const size = known ? `${field.size.join(" × ")} px` : "the whole photo";
  const over = left < 0 || top < 0 || right > photo.width || bottom > photo.height;
  $("channel-field").textContent = `This cell sees ${size}${over ? ", the part beyond the border is padding" : ""}.` +
    (field.whole ? " By a gate, attention or a normalisation the whole photo counts too." : "");
}

function saveAs(kind) {
  const { maps, channel } = seen;
  const name = plainName(`${told.photos[maps.image]?.name ?? told.model}_${maps.layer.path}_${channel}`);
  const values = valuesOf(maps, channel);
  if (kind === "csv") save(`${name}.csv`, [csv(values, maps.height, maps.width)], "text/csv");
  if (kind === "npy") save(`${name}.npy`, [npy(values, [maps.height, maps.width])], "application/octet-stream");
  if (kind === "png") savePicture(name);
}

// As large as it is seen, each cell a square.
function savePicture(name) {
  const canvas = $("channel-map");
  const times = Math.max(1, Math.floor(512 / Math.max(canvas.width, canvas.height)));
  const made = element("canvas", { width: canvas.width * times, height: canvas.height * times });
  const context = made.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, made.width, made.height);
  made.toBlob((blob) => save(`${name}.png`, [blob], "image/png"));
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Starts listening; `step(by)` is called for another channel, `choose(place)` for a place of the photo.
export function startInspector(step, choose) {
  $("channel-before").addEventListener("click", () => step(-1));
  $("channel-after").addEventListener("click", () => step(1));
  ["png", "csv", "npy"].forEach((kind) => $(`channel-${kind}`).addEventListener("click", () => saveAs(kind)));
  listen($("channel-map"), (shares) => placeOfCell(seen.maps, cellUnder(shares)), step, choose);
  listen($("channel-photo"), (shares) => shares.map((share) => share.toFixed(4)).join(","), step, choose);
}

const within = (value, most) => Math.min(most, Math.max(0, value));

function cellUnder([down, across]) {
  const { height, width } = seen.maps;
  return [within(Math.floor(down * height), height - 1), within(Math.floor(across * width), width - 1)];
}

// Lets a place be chosen on the map or on the photo, by pointer and by keys; `placeAt` returns the place under
// the pointer, given how far down and across that is.
function listen(picture, placeAt, step, choose) {
  picture.addEventListener("keydown", (event) => {
    if (event.key in MOVES) {
      const { height, width } = seen.maps;
      const [down, right] = MOVES[event.key];
      choose(placeOfCell(seen.maps, [within(cell[0] + down, height - 1), within(cell[1] + right, width - 1)]));
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      step(event.key === "PageDown" ? 1 : -1);
    } else return;
    event.preventDefault();
  });
  const under = ({ clientX, clientY }) => {
    const { left, top, width, height } = picture.getBoundingClientRect();
    return placeAt([(clientY - top) / height, (clientX - left) / width]);
  };
  // A pointer that rests while the picture changes under it takes no cell from the keys.
  picture.addEventListener("pointermove", (event) => {
    if (event.movementX || event.movementY) moveTo(under(event).split(",").map(Number));
  });
  picture.addEventListener("pointerleave", () => seen && moveTo(chosenPlace()));
  picture.addEventListener("click", (event) => choose(under(event)));
}
