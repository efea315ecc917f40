// What all parts share: the numbers of the page, and colours for them.

const $ = (id) => document.getElementById(id);
const told = JSON.parse($("told").textContent);
const unpacked = new Map();

// Returns a promise of an element's numbers as an ArrayBuffer; they are unpacked once.
function numbers(id) {
  if (!unpacked.has(id)) {
    const text = atob($(id).textContent);
    const bytes = Uint8Array.from(text, (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(id, new Response(stream).arrayBuffer());
  }
  return unpacked.get(id);
}

const palettes = {};
async function loadPalettes() {
  for (const name of told.cmaps) {
    palettes[name] = new Uint8Array(await numbers(`cmap-${name}`));
  }
}

const clip = (value) => Math.min(255, Math.max(0, value));

// A colour as a canvas has it, in the order of bytes of every machine that browsers run on.
function packedColour(palette, level) {
  const at = 3 * level;
  return (255 << 24) | (palette[at + 2] << 16) | (palette[at + 1] << 8) | palette[at];
}

// Values as people read them: four digits, no trailing noise.
function said(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "not finite";
}

function drawBar(canvas, palette) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  const out = new Uint32Array(image.data.buffer);
  for (let level = 0; level < 256; level++) out[level] = packedColour(palette, level);
  context.putImageData(image, 0, 0);
}

function option(select, value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  select.append(made);
}

const photos = [...document.querySelectorAll(".photo img")];

// A link to a folded part of the graph opens it.
function openTarget() {
  // Ids are plain: what a browser would have to decode is none of them.
  const target = location.hash.length > 1 && $(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
openTarget();
