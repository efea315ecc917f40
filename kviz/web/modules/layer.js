// One layer: in words, its values, and its mosaic, in which a channel is found by pointer or keys.

import { $, element, option, said } from "./dom.js";
import { drawHistogram } from "./histogram.js";
import { drawKernels, isFirst } from "./kernels.js";
import { chosenChannel, chosenLayer, chosenPhoto, entryOf, neighbour, placeOf, placeOfCell, plural } from "./layers.js";
import { carriedSize, limitsOf, mapsOf, valueAt } from "./maps.js";
import { cellUnder, cornerOf, drawMosaic, sizeOf } from "./mosaic.js";
import { firstWords, isByWeight, orderOf, placeWords, sortings, weightsOf } from "./sorting.js";
import { isLive, told } from "./source.js";
import { address, look } from "./state.js";
import { layerWords } from "./words.js";

// Paper is no small screen: it has as many channels as a large one.
const NARROW = matchMedia("screen and (max-width: 48rem)");
// How high a name below a tile is, in pixels of the screen.
const STRIP = 18;
const how = { scale: "channel", cmap: "viridis" };
// The layers of which all channels are shown, and what is drawn now.
const whole = new Set();
let drawn = null;
let at = 0;

// Returns how many stand in a row, and how many are shown at first: on a small screen no more than
// fill it.
function layout(layer) {
  const named = Boolean(layer.class_names);
  const columns = named ? (NARROW.matches ? 4 : 8) : NARROW.matches ? 8 : layer.columns;
  const first = NARROW.matches ? (named ? 32 : 64) : named ? 64 : 256;
  const count = whole.has(layer.path) ? layer.channels : Math.min(layer.channels, first);
  return { columns: Math.min(columns, layer.channels), count, named };
}

// Gives a mosaic the size that it will have, so that nothing moves when it is drawn.
function shape(layer) {
  const { columns, count, named } = layout(layer);
  const size = carriedSize(layer);
  const room = $("layer").clientWidth || 640;
  const { width } = sizeOf(size, count, columns);
  // Small maps fill the room there is, in whole steps where one cannot see that it is not full.
  const most = Math.min(named ? 12 : 8, room / width);
  const times = most < 3 ? most : Math.floor(most);
  const strip = named ? Math.ceil(STRIP / times) : 0;
  const { height } = sizeOf(size, count, columns, strip);
  const canvas = $("mosaic");
  canvas.style.width = `${width * times}px`;
  canvas.style.aspectRatio = `${width} / ${height}`;
  // On paper the rest stands beside it.
  $("layer-maps").classList.toggle("tall", 2 * height > width);
  // Squares where cells are enlarged; smooth where they are many to a pixel.
  canvas.style.imageRendering = times < 1.5 ? "auto" : "pixelated";
  return { columns, count, strip };
}

// Returns the place of a layer's maps, below 0 where there are none: of the app before its first photo.
const NO_PHOTO = -2;
const shownPlace = (path) => (isLive && !told.photos.length ? NO_PHOTO : placeOf(path));

function drawHead(path) {
  const entry = entryOf(path);
  const place = shownPlace(path);
  $("layer-h").replaceChildren(element("bdi", { textContent: path }), " ", element("span", { className: "quiet", textContent: entry.kind }));
  $("layer-words").textContent = layerWords(entry, chosenPhoto());
  for (const [id, by] of [["layer-before", -1], ["layer-after", 1]]) {
    const other = neighbour(path, by);
    if (other === null) $(id).removeAttribute("href");
    else $(id).setAttribute("href", address({ layer: other, ch: "" }));
    $(id).title = other ?? "";
  }
  const without = $("layer-without");
  without.hidden = place >= 0;
  without.textContent = place === NO_PHOTO ? "Give a photo, and its feature maps are here." : entry.contains
    ? "It holds other layers: choose one of them."
    : "Its values are not shown here: it has no feature maps, or they were not asked for.";
  $("layer-maps").hidden = $("layer-histogram").hidden = place < 0;
}

function drawSortings(place) {
  const select = $("maps-sort");
  const found = sortings(place, chosenPhoto());
  const key = JSON.stringify(found);
  if (select.dataset.key !== key) {
    select.replaceChildren();
    found.forEach(([value, text]) => option(select, value, text));
    select.dataset.key = key;
  }
  select.value = found.some(([value]) => value === look().sort) ? look().sort : "";
}

const positionOf = (box, { left, top, width, height }, canvas) => {
  box.style.left = `${(100 * left) / canvas.width}%`;
  box.style.top = `${(100 * top) / canvas.height}%`;
  box.style.width = `${(100 * width) / canvas.width}%`;
  box.style.height = `${(100 * height) / canvas.height}%`;
};

function frame(box, place) {
  box.hidden = place < 0;
  if (place < 0) return;
  const { maps, columns, strip } = drawn;
  const { left, top } = cornerOf(maps, place, columns, strip);
  positionOf(box, { left, top, width: maps.width, height: maps.height }, $("mosaic"));
}

function drawNames() {
  const { maps, order, columns, strip } = drawn;
  const names = maps.layer.class_names;
  $("mosaic-names").replaceChildren(...(names ? order : []).map((channel, place) => {
    const name = element("span", { textContent: names[channel], title: names[channel] });
    const { left, top } = cornerOf(maps, place, columns, strip);
    positionOf(name, { left, top: top + maps.height, width: maps.width, height: strip }, $("mosaic"));
    return name;
  }));
}

function drawScaleWords() {
  const { maps } = drawn;
  const limits = limitsOf(maps, how.scale);
  $("mosaic-scale").textContent = limits
    ? `Colours from ${said(how.cmap === "bwr" ? -Math.max(...limits.map(Math.abs)) : limits[0])} to ` +
      `${said(how.cmap === "bwr" ? Math.max(...limits.map(Math.abs)) : limits[1])}.`
    : `Colours per channel: ${how.cmap === "bwr" ? "by its largest value." : "(x − mean) / std × 64 + 128."}`;
}

// Marks the channel that is looked at, null where nobody asked for one.
export function markChannel(channel) {
  frame($("mosaic-chosen"), channel === null ? -1 : drawn.order.indexOf(channel));
  $("mosaic-look").hidden = !NARROW.matches || channel === null;
  $("mosaic-look").textContent = `Look at channel ${channel}`;
}

// Draws what is looked at; returns its maps, its weights where its channels are sorted by them, and the
// order of its channels; or null for a layer without maps.
export async function drawLayer() {
  const path = chosenLayer();
  const photo = chosenPhoto();
  if (!entryOf(path)) return null;
  drawHead(path);
  const place = shownPlace(path);
  const coming = place < 0 ? null : mapsOf(place, photo);
  coming?.catch(() => {});
  const kernels = isFirst(path) ? drawKernels($("kernels"), path) : null;
  $("layer-kernels").hidden = !kernels;
  if (kernels) {
    $("kernels-words").textContent = await kernels;
    $("kernels").setAttribute("aria-label", await kernels);
  }
  if (place < 0) return (drawn = null);
  shape(told.layers[place]);
  const maps = await coming;
  const weights = isByWeight(look().sort) ? await weightsOf(place, photo) : undefined;
  // While numbers were unpacked something else was chosen, which is drawn by itself.
  if (path !== chosenLayer() || photo !== chosenPhoto()) return null;
  const { columns, count, strip } = shape(maps.layer);
  drawSortings(place);
  const sort = $("maps-sort").value;
  const order = orderOf({ maps, weights }, sort).slice(0, count);
  $("maps-first").textContent = firstWords({ maps, weights }, sort);
  const next = { maps, weights, columns, strip, order };
  at = drawn?.maps.layer === maps.layer ? Math.min(at, count - 1) : 0;
  drawn = next;
  drawMosaic($("mosaic"), maps, how, drawn);
  drawNames();
  drawScaleWords();
  tell(null);
  const { layer } = maps;
  $("mosaic").setAttribute("aria-label", `Feature maps of ${layer.path}: ${plural(layer.channels, "channel")} of ${layer.height} × ${layer.width}`);
  $("mosaic-all").hidden = layer.channels <= count && !whole.has(path);
  $("mosaic-all").textContent = whole.has(path) ? "Show fewer" : `Show all ${layer.channels}`;
  $("histogram-words").textContent = drawHistogram($("histogram"), maps);
  return { maps, weights, order };
}

// Says what is under the pointer or the keys, and frames it.
function tell(cell, pointer = null) {
  const tip = $("mosaic-tip");
  $("mosaic-outline").hidden = tip.hidden = true;
  if (!cell || !drawn) {
    $("mosaic-value").textContent = drawn ? "" : $("mosaic-value").textContent;
    return;
  }
  const { maps } = drawn;
  const name = maps.layer.class_names?.[cell.channel];
  const label = `channel ${cell.channel}${name ? `, ${name}` : ""}`;
  const dead = maps.low[cell.channel] === 0 && maps.high[cell.channel] === 0;
  const value = cell.row === undefined
    ? dead ? "dead: zero everywhere" : `mean ${said(maps.mean[cell.channel])}, from ${said(maps.low[cell.channel])} to ${said(maps.high[cell.channel])}`
    : said(valueAt(maps, cell.channel, cell.row, cell.column));
  const where = cell.row === undefined ? "" : `, row ${cell.row}, column ${cell.column}`;
  const there = placeWords(maps, $("maps-sort").value, cell.channel);
  $("mosaic-value").textContent = `${label}${where}: ${value}${there && `; ${there}`}`;
  frame($("mosaic-outline"), cell.at);
  if (!pointer) return;
  tip.hidden = false;
  tip.textContent = there ? `${label}: ${there}; here ${value}` : `${label}: ${value}`;
  const box = $("mosaic-frame").getBoundingClientRect();
  // Within the mosaic, beside the pointer.
  const x = Math.min(pointer.clientX - box.left + 14, box.width - tip.offsetWidth - 4);
  const y = pointer.clientY - box.top;
  tip.style.left = `${Math.max(0, x)}px`;
  tip.style.top = `${y > box.height - 48 ? y - 36 : y + 18}px`;
}

const tellPlace = () => drawn && tell({ at, channel: drawn.order[at] });

function moved(event) {
  if (!drawn) return false;
  const { columns, order } = drawn;
  const last = order.length - 1;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns,
    Home: 0, End: last, PageDown: at + 4 * columns, PageUp: at - 4 * columns,
  }[event.key];
  if (to === undefined) return false;
  // A step over an edge stays where it is; a page goes as far as there is.
  if (event.key.startsWith("Page")) at = Math.min(last, Math.max(0, to));
  else if (to >= 0 && to <= last) at = to;
  tellPlace();
  return true;
}

// Starts listening; `choose(channel, place, asked)` is called for a channel that is clicked, with the
// place of the photo, or entered.
export function startLayer(choose, redraw) {
  const canvas = $("mosaic");
  canvas.addEventListener("pointermove", (event) => drawn && tell(cellUnder(event, canvas, drawn.maps, drawn), event));
  canvas.addEventListener("pointerleave", () => (document.activeElement === canvas ? tellPlace() : tell(null)));
  canvas.addEventListener("click", (event) => {
    const cell = drawn && cellUnder(event, canvas, drawn.maps, drawn);
    if (!cell) return;
    at = cell.at;
    choose(cell.channel, placeOfCell(drawn.maps, [cell.row, cell.column]), false);
  });
  canvas.addEventListener("focus", () => {
    const chosen = drawn ? drawn.order.indexOf(chosenChannel(drawn.maps.count)) : -1;
    if (chosen >= 0) at = chosen;
    if (canvas.matches(":focus-visible")) tellPlace();
  });
  canvas.addEventListener("blur", () => tell(null));
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" && drawn) choose(drawn.order[at], null, true);
    else if (!moved(event)) return;
    event.preventDefault();
  });
  for (const [id, key] of [["maps-scale", "scale"], ["maps-cmap", "cmap"]]) {
    $(id).addEventListener("change", ({ target }) => {
      how[key] = target.value;
      redraw();
    });
  }
  $("mosaic-all").addEventListener("click", () => {
    const path = chosenLayer();
    if (!whole.delete(path)) whole.add(path);
    redraw();
  });
  NARROW.addEventListener("change", redraw);
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (drawn && Math.abs(contentRect.width - width) > 1) shape(drawn.maps.layer);
    width = contentRect.width;
  }).observe($("layer"));
}
