// What decides: maps of several methods over the photo, compared and coloured here.

const looking = {
  image: 0, which: 0, a: "", b: "", sign: "both", cmap: "auto", opacity: 65, swipe: 50, grey: true,
};
const methods = [...new Set(told.attributions.map((one) => one.method))];
const found = (method, image) =>
  told.attributions.find((one) => one.method === method && one.image === image);

// Returns a map's numbers, and of several classes the one that is looked at.
async function valuesOf(one, which) {
  const buffer = await numbers(one.blob);
  const size = one.height * one.width;
  if (one.whole) return new Float32Array(buffer, 4 * which * size, size);
  const codes = new Uint8Array(buffer, which * size, size);
  const step = (one.high[which] - one.low[which]) / 255;
  return Float32Array.from(codes, (code) => one.low[which] + code * step);
}

// Returns how a map is coloured: its palette, its limits, and what is drawn of a value.
function colouring(one, which, { sign, cmap }) {
  const signed = one.low[which] < 0 && sign === "both";
  const palette = cmap === "auto" ? (signed ? "bwr" : "viridis") : cmap;
  const peak = one.peak[which];
  const part = {
    both: (value) => value,
    for: (value) => Math.max(0, value),
    against: (value) => Math.max(0, -value),
    size: Math.abs,
  }[sign];
  return { palette, part, low: signed || palette === "bwr" ? -peak : 0, high: peak };
}

async function drawMap(canvas, one, which, how) {
  const values = await valuesOf(one, which);
  const { palette, part, low, high } = colouring(one, which, how);
  canvas.width = one.width;
  canvas.height = one.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(one.width, one.height);
  const out = new Uint32Array(image.data.buffer);
  const scale = high > low ? 255 / (high - low) : 0;
  for (let at = 0; at < values.length; at++) {
    const level = scale ? clip(Math.round((part(values[at]) - low) * scale)) : 0;
    out[at] = packedColour(palettes[palette], level);
  }
  context.putImageData(image, 0, 0);
}

function described(one, which) {
  const gap = one.gaps ? `, completeness gap ${said(one.gaps[which])}` : "";
  const at = one.layers.length ? ` at ${one.layers.join(", ")}` : "";
  return `${one.method}${at} for ${one.classes[which].name}, score ${said(one.scores[which])}${gap}`;
}

// One drawing after another: one that waits for its numbers would else cover a later choice.
let drawing = Promise.resolve();
function queued(draw) {
  drawing = drawing.then(draw, draw);
  return drawing;
}

const drawStage = () => queued(drawStageNow);
const drawOverview = () => queued(drawOverviewNow);

async function drawStageNow() {
  const one = found(looking.a, looking.image);
  const other = looking.b && found(looking.b, looking.image);
  const which = Math.min(looking.which, one.classes.length - 1);
  const photo = photos[looking.image];
  $("stage-photo").hidden = !photo;
  if (photo) {
    const { name, tiny, width, height } = told.photos[looking.image];
    $("stage-photo").src = photo.src;
    $("stage-photo").alt = `The image ${name}`;
    $("stage").classList.toggle("tiny", tiny);
    $("stage").style.aspectRatio = `${width} / ${height}`;
  } else {
    $("stage").style.aspectRatio = `${one.width} / ${one.height}`;
  }
  $("stage").classList.toggle("grey", looking.grey);
  const [a, b] = [$("stage-a"), $("stage-b")];
  await drawMap(a, one, which, looking);
  a.setAttribute("aria-label", described(one, which));
  b.hidden = $("stage-line").hidden = $("swipe-row").hidden = !other;
  if (other) {
    await drawMap(b, other, which, looking);
    b.setAttribute("aria-label", described(other, which));
  }
  a.style.opacity = b.style.opacity = photo ? looking.opacity / 100 : 1;
  a.style.clipPath = other ? `inset(0 ${100 - looking.swipe}% 0 0)` : "none";
  b.style.clipPath = `inset(0 0 0 ${looking.swipe}%)`;
  $("stage-line").style.left = `${looking.swipe}%`;
  const { palette, low, high } = colouring(one, which, looking);
  drawBar($("stage-bar"), palettes[palette]);
  $("stage-low").textContent = said(low);
  $("stage-high").textContent = said(high);
  $("stage-legend").textContent = other
    ? `Left: ${described(one, which)}. Right: ${described(other, which)}.`
    : `${described(one, which)}.`;
  $("certificates").replaceChildren(...[one, other].flatMap((each) => certified(each, which)));
  markOverview();
}

// Returns what a map was put to as an element, none where nobody asked for it.
function certified(one, which) {
  const certificate = one && one.certificates[which];
  if (!certificate) return [];
  const part = document.createElement("div");
  const add = (kind, text, to = part) => {
    const made = document.createElement(kind);
    made.textContent = text.replaceAll(" %", "\u00a0%");
    to.append(made);
    return made;
  };
  const [verdict, ...others] = certificate.words;
  add("h3", `Can ${one.method.replaceAll("_", " ")} be trusted for ${one.classes[which].name}?`);
  add("p", verdict).className = "verdict";
  const list = document.createElement("ul");
  part.append(list);
  others.forEach((sentence) => add("li", sentence, list));
  return [part];
}

function markOverview() {
  for (const button of $("overview").querySelectorAll("button")) {
    const here = button.dataset.method === looking.a && Number(button.dataset.which) === looking.which;
    button.setAttribute("aria-pressed", String(here));
  }
}

// A small map for each method and class of the photo; each leads to the large one.
async function drawOverviewNow() {
  const all = told.attributions.filter((one) => one.image === looking.image);
  $("overview").replaceChildren();
  const classes = all[0].classes;
  for (const [which, { name, rival }] of classes.entries()) {
    const row = document.createElement("div");
    const head = document.createElement("p");
    head.textContent = rival ? `Its strongest rival: ${name}` : `Explained: ${name}`;
    head.dir = "auto";
    row.append(head);
    for (const one of all) {
      const button = document.createElement("button");
      const canvas = document.createElement("canvas");
      const label = document.createElement("span");
      label.textContent = one.method.replaceAll("_", " ");
      button.type = "button";
      button.dataset.method = one.method;
      button.dataset.which = which;
      canvas.setAttribute("aria-hidden", "true");
      button.classList.toggle("tiny", Math.max(one.width, one.height) < 128);
      button.append(canvas, label);
      if (one.certificates[which]) {
        const flag = document.createElement("small");
        flag.textContent = one.certificates[which].flag;
        flag.classList.toggle("worse", !one.certificates[which].better);
        button.append(flag);
      }
      button.addEventListener("click", () => {
        Object.assign(looking, { a: one.method, which });
        $("at-a").value = one.method;
        $("at-class").value = String(which);
        drawStage();
      });
      row.append(button);
      await drawMap(canvas, one, which, looking);
    }
    $("overview").append(row);
  }
  markOverview();
}

function listClasses() {
  $("at-class").replaceChildren();
  const one = told.attributions.find((each) => each.image === looking.image);
  one.classes.forEach(({ name }, which) => option($("at-class"), which, name));
  $("at-class").value = String(Math.min(looking.which, one.classes.length - 1));
}

async function saveCsv() {
  const one = found(looking.a, looking.image);
  const which = Math.min(looking.which, one.classes.length - 1);
  const values = await valuesOf(one, which);
  const name = told.photos[one.image]?.name ?? `image-${one.image}`;
  const file = plainName(`${name}_${one.method}_${one.classes[which].name}`);
  save(`${file}.csv`, [csv(values, one.height, one.width)], "text/csv");
}

async function saveNpz() {
  const files = [];
  for (const one of told.attributions) {
    const count = one.classes.length;
    const all = new Float32Array(count * one.height * one.width);
    for (let which = 0; which < count; which++) {
      all.set(await valuesOf(one, which), which * one.height * one.width);
    }
    files.push([`${one.method}_${one.image}.npy`, npy(all, [count, one.height, one.width])]);
    const classes = Float32Array.from(one.classes, ({ index }) => index);
    files.push([`${one.method}_${one.image}_classes.npy`, npy(classes, [count])]);
  }
  save(`${plainName(told.model)}_attributions.npz`, zip(files), "application/zip");
}

async function startAttribution() {
  if (!methods.length) return;
  Object.assign(looking, { a: methods[0] });
  methods.forEach((method) => option($("at-a"), method, method));
  option($("at-b"), "", "nothing");
  methods.forEach((method) => option($("at-b"), method, method));
  listClasses();
  const on = (id, work) => $(id)?.addEventListener("input", (event) => work(event.target));
  on("at-a", ({ value }) => { looking.a = value; drawStage(); });
  on("at-b", ({ value }) => { looking.b = value; drawStage(); });
  on("at-class", ({ value }) => { looking.which = Number(value); drawStage(); });
  on("at-opacity", ({ value }) => { looking.opacity = Number(value); drawStage(); });
  on("at-swipe", ({ value }) => { looking.swipe = Number(value); drawStage(); });
  on("at-grey", ({ checked }) => { looking.grey = checked; drawStage(); });
  on("at-sign", ({ value }) => { looking.sign = value; drawOverview(); drawStage(); });
  on("at-cmap", ({ value }) => { looking.cmap = value; drawOverview(); drawStage(); });
  on("at-image", ({ value }) => {
    looking.image = Number(value);
    listClasses();
    drawOverview();
    drawStage();
  });
  $("stage").addEventListener("pointermove", (event) => {
    if (!looking.b || !(event.buttons & 1)) return;
    const box = $("stage").getBoundingClientRect();
    looking.swipe = Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
    $("at-swipe").value = String(looking.swipe);
    drawStage();
  });
  $("at-csv").addEventListener("click", saveCsv);
  $("at-npz").addEventListener("click", saveNpz);
  await drawOverview();
  await drawStage();
}

async function start() {
  await loadPalettes();
  startChannel();
  await Promise.all([startMaps(), startAttribution(), drawFirstKernels()]);
  // Again, now that all has its size.
  openTarget();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = `This browser cannot draw the maps of this page: ${error.message}`;
  $("main").prepend(note);
});
