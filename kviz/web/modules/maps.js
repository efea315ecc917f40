// Feature maps: a mosaic a layer, coloured here, so that a reader can choose the scale.

const drawn = { image: 0, scale: "channel", cmap: "viridis" };

// Returns a layer with the size of its maps as they are carried, and how many stand in a row.
function rowsOf(layer) {
  return {
    layer,
    height: Math.ceil(layer.height / layer.factor),
    width: Math.ceil(layer.width / layer.factor),
    // On a narrow screen half as many, or they would be stamps.
    columns: Math.min(layer.columns, innerWidth < 600 ? 8 : Infinity),
  };
}

// Returns the size of a layer's mosaic, with a gap of one pixel.
function sizeOf(layer, columns) {
  const { height, width } = rowsOf(layer);
  const rows = Math.ceil(layer.channels / columns);
  return { width: columns * (width + 1) - 1, height: rows * (height + 1) - 1 };
}

// Returns a layer's maps of a photo: codes of one byte, and each channel's numbers.
async function mapsOf(place, image) {
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

const valueOf = (maps, channel, code) =>
  maps.low[channel] + (code * (maps.high[channel] - maps.low[channel])) / 255;

// Returns the limits of the colours of a layer, null where each channel has its own.
function limitsOf(maps, scale) {
  const layers = scale === "model" ? told.layers : scale === "layer" ? [maps.layer] : null;
  return layers && [
    Math.min(...layers.map((layer) => layer.low[maps.image])),
    Math.max(...layers.map((layer) => layer.high[maps.image])),
  ];
}

// Returns the values at the ends of the colours, of a channel where each has its own.
function endsOf(maps, channel, { scale, cmap }) {
  const limits = limitsOf(maps, scale);
  const [low, high] = limits ?? [maps.low[channel], maps.high[channel]];
  const peak = Math.max(Math.abs(low), Math.abs(high));
  if (cmap === "bwr") return [-peak, peak];
  if (limits) return limits;
  const [mean, deviation] = [maps.mean[channel], maps.deviation[channel]];
  return [mean - 2 * deviation, mean + (127 / 64) * deviation];
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
function coloursOf(maps, channel, how, limits) {
  const level = levelsOf(maps, channel, how, limits);
  const palette = palettes[how.cmap];
  return Uint32Array.from({ length: 256 }, (_, code) =>
    packedColour(palette, level(valueOf(maps, channel, code))),
  );
}

// Gives a mosaic the size that it will have, so that nothing moves when it is drawn.
function shape(section) {
  const { layer, columns } = rowsOf(told.layers[Number(section.dataset.layer)]);
  const { width, height } = sizeOf(layer, columns);
  const canvas = section.querySelector("canvas");
  // Small maps are shown at a few times their size, in whole steps where there is room.
  const times = Math.max(1, Math.min(8, Math.floor(1100 / width)));
  canvas.style.width = `${width * times}px`;
  canvas.style.aspectRatio = `${width} / ${height}`;
  // Squares where cells are enlarged; smooth where they are many to a pixel.
  canvas.style.imageRendering = canvas.clientWidth < width ? "auto" : "pixelated";
  section.querySelector(".range").textContent = drawn.scale === "channel"
    ? `each channel ${drawn.cmap === "bwr" ? "by its largest value" : "(x − mean) / std × 64 + 128"}`
    : `colours from ${endsOf({ layer, image: drawn.image }, 0, drawn).map(said).join(" to ")}`;
}

function drawMosaic(canvas, maps, how) {
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
function cellUnder(event, maps) {
  const box = event.currentTarget.getBoundingClientRect();
  const { width, height, count } = maps;
  const columns = (event.currentTarget.width + 1) / (width + 1);
  const x = Math.floor(((event.clientX - box.left) / box.width) * event.currentTarget.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * event.currentTarget.height);
  const channel = Math.floor(y / (height + 1)) * columns + Math.floor(x / (width + 1));
  const [row, column] = [y % (height + 1), x % (width + 1)];
  return channel < count && row < height && column < width ? { channel, row, column } : null;
}

const sections = [...document.querySelectorAll("article.layer")];
const stale = new Set(sections);

async function redraw(section) {
  if (!stale.delete(section)) return;
  const place = Number(section.dataset.layer);
  const how = { ...drawn };
  const maps = await mapsOf(place, how.image);
  // While numbers were unpacked, another photo was chosen, which is drawn by itself.
  if (how.image !== drawn.image) return;
  const canvas = section.querySelector("canvas");
  shape(section);
  drawMosaic(canvas, maps, how);
  const empty = maps.low.reduce((n, low, at) => n + (low === 0 && maps.high[at] === 0), 0);
  section.querySelector(".empty").textContent = `${Math.round((100 * empty) / maps.count)} %`;
  section.classList.add("drawn");
}

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && redraw(entry.target)),
  { rootMargin: "600px" },
);

// What is in view first; the rest bit by bit, so that all of it is there to be printed.
function redrawAll() {
  delete document.documentElement.dataset.drawn;
  sections.forEach((section) => {
    stale.add(section);
    seen.unobserve(section);
    seen.observe(section);
  });
  const later = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  later(async function next() {
    const [section] = stale;
    if (!section) {
      document.documentElement.dataset.drawn = "";
      return;
    }
    await redraw(section);
    later(next);
  });
}

function tellCell(section, maps, cell) {
  const output = section.querySelector("output");
  if (!cell) {
    output.textContent = "";
    return;
  }
  const code = maps.codes[(cell.channel * maps.height + cell.row) * maps.width + cell.column];
  const value = said(valueOf(maps, cell.channel, code));
  output.textContent = `channel ${cell.channel}, row ${cell.row}, column ${cell.column}: ${value}`;
}

function listen(section) {
  const place = Number(section.dataset.layer);
  const canvas = section.querySelector("canvas");
  canvas.addEventListener("pointermove", async (event) => {
    const under = { currentTarget: canvas, clientX: event.clientX, clientY: event.clientY };
    const maps = await mapsOf(place, drawn.image);
    tellCell(section, maps, cellUnder(under, maps));
  });
  canvas.addEventListener("pointerleave", () => tellCell(section, null, null));
  canvas.addEventListener("click", async (event) => {
    const under = { currentTarget: canvas, clientX: event.clientX, clientY: event.clientY };
    const maps = await mapsOf(place, drawn.image);
    const cell = cellUnder(under, maps);
    if (cell) enlarge(place, cell.channel, cell.row, cell.column);
  });
  const field = section.querySelector("input");
  const open = () => enlarge(place, Math.min(Math.max(0, Number(field.value) | 0), Number(field.max)));
  section.querySelector("button").addEventListener("click", open);
  field.addEventListener("keydown", (event) => event.key === "Enter" && open());
}

async function startMaps() {
  if (!sections.length) return;
  sections.forEach(shape);
  sections.forEach(listen);
  for (const [id, key] of [["maps-image", "image"], ["maps-scale", "scale"], ["maps-cmap", "cmap"]]) {
    $(id)?.addEventListener("change", (event) => {
      drawn[key] = key === "image" ? Number(event.target.value) : event.target.value;
      redrawAll();
    });
  }
  $("maps-layer").addEventListener("change", (event) => {
    location.hash = event.target.value;
    openTarget();
  });
  redrawAll();
}
