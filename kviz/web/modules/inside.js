// The pane Inside: to be written
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
