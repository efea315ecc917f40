// One channel, enlarged: its values, what a cell sees of the photo, and the kernel that made it.

const dialog = $("channel");
const looked = { maps: null, channel: 0, row: 0, column: 0 };

async function enlarge(place, channel, row, column) {
  const maps = await mapsOf(place, drawn.image);
  Object.assign(looked, {
    maps,
    channel,
    row: row ?? Math.floor(maps.height / 2),
    column: column ?? Math.floor(maps.width / 2),
  });
  if (!dialog.open) dialog.showModal();
  // At once, so that no key is lost while numbers are unpacked.
  $("channel-map").focus();
  await drawChannel();
}

async function drawChannel() {
  const { maps, channel } = looked;
  const { layer, height, width } = maps;
  const title = `${layer.path}, channel ${channel}`;
  $("channel-h").textContent = title;
  const canvas = $("channel-map");
  canvas.setAttribute("aria-label", `${title} of ${maps.count}, ${height} rows of ${width} cells`);
  canvas.width = width;
  canvas.height = height;
  sized(canvas, width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const colours = coloursOf(maps, channel, drawn, limitsOf(maps, drawn.scale));
  const from = channel * height * width;
  for (let at = 0; at < height * width; at++) out[at] = colours[maps.codes[from + at]];
  context.putImageData(image, 0, 0);
  drawBar($("channel-bar"), palettes[drawn.cmap]);
  const [first, last] = endsOf(maps, channel, drawn);
  $("channel-low").textContent = said(first);
  $("channel-high").textContent = said(last);
  const [low, high] = [maps.low[channel], maps.high[channel]];
  $("channel-detail").textContent =
    low === 0 && high === 0
      ? "Empty: zero everywhere."
      : `From ${said(low)} to ${said(high)}, mean ${said(maps.mean[channel])}, values to within ` +
        `${said((high - low) / 510)}` +
        (layer.factor > 1 ? `; each cell is the mean of ${layer.factor} × ${layer.factor}.` : ".");
  drawPhoto();
  await drawKernel();
  moveTo(looked.row, looked.column);
}

// Gives a picture a size at which it fills its pane, without smoothing where it is small.
function sized(element, width, height) {
  const times = Math.min(420 / Math.max(width, height), 60);
  element.style.width = `${width * times}px`;
  element.style.aspectRatio = `${width} / ${height}`;
  element.style.imageRendering = times > 1.5 ? "pixelated" : "auto";
}

function drawPhoto() {
  const photo = photos[looked.maps.image];
  const field = looked.maps.layer.field;
  $("channel-photo-pane").hidden = !photo;
  if (!photo) return;
  const { width, height } = told.photos[looked.maps.image];
  const shown = $("channel-photo").querySelector("img");
  shown.src = photo.src;
  shown.alt = `The image ${told.photos[looked.maps.image].name}`;
  sized(shown, width, height);
  const size = typeof field === "string" ? field : `${field.size.join(" × ")} pixels`;
  const beside = field.whole ? " By a gate, attention or a normalisation the whole image counts too." : "";
  $("channel-field").textContent =
    field === "unknown" ? "What a cell sees of the photo is not known." : `A cell sees ${size}.${beside}`;
}

// Returns the first and last pixel that a cell sees along an axis.
function reach(field, axis, cell, factor, count) {
  const first = field.offset[axis] + cell * factor * field.stride[axis];
  const last = Math.min((cell + 1) * factor, count) - 1;
  return [first, field.offset[axis] + last * field.stride[axis] + field.size[axis]];
}

function moveTo(row, column) {
  const { maps, channel } = looked;
  const { layer, height, width } = maps;
  looked.row = Math.min(Math.max(0, row), height - 1);
  looked.column = Math.min(Math.max(0, column), width - 1);
  const cell = $("channel-frame").querySelector(".cell");
  cell.style.left = `${(100 * looked.column) / width}%`;
  cell.style.top = `${(100 * looked.row) / height}%`;
  cell.style.width = `${100 / width}%`;
  cell.style.height = `${100 / height}%`;
  const code = maps.codes[(channel * height + looked.row) * width + looked.column];
  $("channel-value").textContent =
    `Row ${looked.row}, column ${looked.column}: ${said(valueOf(maps, channel, code))}`;
  const box = $("channel-photo").querySelector(".field");
  const known = typeof layer.field !== "string" && layer.field.size.length === 2;
  box.hidden = !photos[maps.image] || (!known && layer.field !== "whole image");
  if (box.hidden) return;
  const photo = told.photos[maps.image];
  const [top, bottom] = known ? reach(layer.field, 0, looked.row, layer.factor, layer.height) : [0, photo.height];
  const [left, right] = known ? reach(layer.field, 1, looked.column, layer.factor, layer.width) : [0, photo.width];
  box.style.left = `${(100 * left) / photo.width}%`;
  box.style.top = `${(100 * top) / photo.height}%`;
  box.style.width = `${(100 * (right - left)) / photo.width}%`;
  box.style.height = `${(100 * (bottom - top)) / photo.height}%`;
}

// Returns a filter's panels: its heaviest input channels, their numbers in codes of -127 to 127.
async function kernelOf(path, filter) {
  const kernel = Object.hasOwn(told.kernels, path) ? told.kernels[path] : null;
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

async function drawKernel() {
  const kernel = await kernelOf(looked.maps.layer.path, looked.channel);
  $("channel-kernel-pane").hidden = !kernel;
  if (!kernel) return;
  const { kept, height, width, channels, codes, peak } = kernel;
  const columns = Math.min(4, kept);
  // Single weights need no gap between them.
  const gap = Number(height * width > 1);
  const canvas = $("channel-kernel");
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
      const level = clip(Math.round(((codes[panel * height * width + at] + 127) * 255) / 254));
      const to = (top + Math.floor(at / width)) * canvas.width + left + (at % width);
      out[to] = packedColour(palettes.bwr, level);
    }
  }
  context.putImageData(image, 0, 0);
  const part = kept < channels
    ? `the ${kept} of ${channels} input channels that it weighs most: ${[...kernel.which].join(", ")}`
    : `${channels} input channel${channels === 1 ? "" : "s"}`;
  const text = `Kernel, ${height} × ${width}, ${part}; from ${said(-peak)} (blue) to ${said(peak)} (red).`;
  $("channel-kernel-detail").textContent = text;
  canvas.setAttribute("aria-label", text);
}

async function drawFirstKernels() {
  const canvas = $("first-kernels");
  if (!canvas) return;
  const path = canvas.dataset.layerPath;
  const first = await kernelOf(path, 0);
  if (!first) return;
  const { filters, height, width, kept, rgb } = first;
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
    for (let at = 0; at < height * width; at++) {
      const to = (top + Math.floor(at / width)) * canvas.width + left + (at % width);
      const level = (panel) => clip(Math.round(((codes[panel * height * width + at] + 127) * 255) / 254));
      out[to] = rgb && kept === 3
        ? (255 << 24) | (level(2) << 16) | (level(1) << 8) | level(0)
        : packedColour(palettes.bwr, level(0));
    }
  }
  context.putImageData(image, 0, 0);
  canvas.style.width = `${canvas.width * Math.max(2, Math.min(14, Math.floor(1000 / canvas.width)))}px`;
}

function startChannel() {
  const step = (by) => {
    looked.channel = (looked.channel + by + looked.maps.count) % looked.maps.count;
    return drawChannel();
  };
  $("channel-close").addEventListener("click", () => dialog.close());
  $("channel-before").addEventListener("click", () => step(-1));
  $("channel-after").addEventListener("click", () => step(1));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const moves = {
    ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  };
  const canvas = $("channel-map");
  canvas.addEventListener("keydown", (event) => {
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      moveTo(looked.row + down, looked.column + right);
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      step(event.key === "PageDown" ? 1 : -1);
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    // A pointer that rests while the picture changes under it takes no cell from the keys.
    if (!event.movementX && !event.movementY) return;
    const box = canvas.getBoundingClientRect();
    moveTo(
      Math.floor(((event.clientY - box.top) / box.height) * canvas.height),
      Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
    );
  });
}
