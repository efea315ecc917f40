// The pane Why: attributions over the photo, in small and large, compared, cut down and saved.

import { certified } from "./certificate.js";
import { $, element, option } from "./dom.js";
import { chosen, mapsOf, methods } from "./evidence.js";
import { latest } from "./latest.js";
import { drawOverview, layOutOverview, markOverview } from "./overview.js";
import { regionsTable } from "./regions.js";
import { figureLine, figureWhere, saveCsv, saveNpz, savePng, saveSvg } from "./saving.js";
import { isLive, told } from "./source.js";
import { picture, showPicture } from "./stage.js";
import { address, change, look, onChange } from "./state.js";

// How maps are drawn, which is not in the address: what is looked at is.
// The sliders add their values when they are bound.
const how = { sign: "both", cmap: "auto", grey: true };

const drawStage = latest(async () => {
  let shown;
  try {
    shown = await picture(how);
  } catch (error) {
    const textContent = `This map could not be drawn: ${error.message}`;
    $("stage-legend").replaceChildren(element("p", { textContent }));
    return;
  }
  showPicture(shown, how);
  const { sides } = shown;
  $("regions").replaceChildren(...sides.flatMap(({ one, which }) => regionsTable(one, which)));
  $("certificates").replaceChildren(...sides.flatMap(({ one, which }) => certified(one, which)));
});
const drawSmall = latest(() => drawOverview(how));

let asked = 0;

// Draws what changed; the pane says when all of it is there.
async function draw({ small = true } = {}) {
  const mine = ++asked;
  delete $("why").dataset.drawn;
  await Promise.all([drawStage(), small && drawSmall()]);
  if (mine === asked) $("why").dataset.drawn = "";
}

// Fills the choices with what there is, and shows what is chosen.
function sync() {
  const { image, which, one, sides } = chosen();
  fill("why-photo", told.photos.map(({ name }, place) => [place, name]), image);
  const classes = one?.classes ?? [];
  fill("why-class", classes.map(({ name }, place) => [place, name]), which);
  const here = new Set(mapsOf(image).map(({ method }) => method));
  const known = methods().filter(([method]) => here.has(method));
  fill("why-method", known, one?.method);
  const others = [
    ...classes.map(({ name }, place) => [`class-${place}`, `class ${name}`]).filter((_, place) => place !== which),
    ...known.filter(([method]) => method !== one?.method),
  ];
  fill("why-with", [["", "nothing"], ...others], sides[1] && look().with);
  for (const id of ["why-csv", "why-npz", "why-png", "why-svg", "why-pdf"]) $(id).disabled = !one;
  if (!one || isLive) return;
  $("figure-where").textContent = figureWhere();
  $("why-command").textContent = figureLine();
}

function fill(id, options, value) {
  const select = $(id);
  if (!select) return;
  const wanted = JSON.stringify(options);
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren();
    options.forEach(([key, text]) => option(select, key, text));
  }
  select.value = String(value ?? "");
  // One thing is no choice.
  select.closest("p").hidden = options.length < 2;
}

// Draws the pane anew: what is looked at, or what there is to see, is another.
export function redrawWhy({ layOut = true } = {}) {
  // The app before its first photo has nothing to show.
  const isBare = !told.photos.length && !told.attributions.length;
  if ($("stage")) document.querySelector("#why .viewer").hidden = isBare;
  if (!$("stage") || isBare) return Promise.resolve();
  sync();
  if (layOut) layOutOverview();
  else markOverview();
  return draw({ small: layOut });
}

function bindChoices() {
  const on = (id, work) => $(id)?.addEventListener("input", ({ target }) => work(target));
  on("why-photo", ({ value }) => change({ photo: value }));
  on("why-class", ({ value }) => change({ class: value }));
  on("why-method", ({ value }) => change({ method: value }));
  on("why-with", ({ value }) => change({ with: value }));
  on("why-sign", ({ value }) => { how.sign = value; draw(); });
  on("why-cmap", ({ value }) => { how.cmap = value; draw(); });
  on("why-grey", ({ checked }) => { how.grey = checked; draw(); });
  onSlider("why-opacity", (value) => { how.opacity = value / 100; }, () => draw());
  onSlider("why-strongest", (value) => { how.strongest = value; }, () => draw());
  onSlider("why-swipe", (value) => { how.swipe = value; }, () => draw({ small: false }));
}

function onSlider(id, take, redraw) {
  const slider = $(id);
  const read = () => {
    $(`${id}-value`).textContent = `${slider.value} %`;
    take(Number(slider.value));
  };
  slider.addEventListener("input", () => {
    read();
    redraw();
  });
  read();
}

function bindSwipe() {
  const stage = $("stage");
  const follow = ({ clientX }) => {
    const box = stage.getBoundingClientRect();
    const slider = $("why-swipe");
    slider.value = String(Math.round((100 * (clientX - box.left)) / box.width));
    slider.dispatchEvent(new Event("input"));
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!stage.classList.contains("two") || event.button) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
}

function bindSaving() {
  const works = { "why-png": savePng, "why-svg": saveSvg, "why-csv": saveCsv, "why-npz": saveNpz };
  for (const [id, work] of Object.entries(works)) $(id).addEventListener("click", () => work(how));
  if (isLive) return;
  $("why-pdf").addEventListener("click", () => {
    const isHidden = $("why-figure").toggleAttribute("hidden");
    $("why-pdf").setAttribute("aria-expanded", String(!isHidden));
  });
}

// A card's "Why?" leads to its photo here.
function bindCards() {
  $("answer").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-why]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ photo: link.dataset.why });
    showPane();
  });
  linkCards();
  onChange(linkCards);
}

// Opened in another tab, a card's link keeps the rest of what is looked at.
function linkCards() {
  for (const link of document.querySelectorAll("a[data-why]")) link.href = address({ photo: link.dataset.why });
}

function showPane() {
  $("why").scrollIntoView();
  $("why-h").focus({ preventScroll: true });
}

export async function startWhy() {
  bindCards();
  if (!$("stage")) return;
  bindChoices();
  bindSwipe();
  bindSaving();
  onChange((now, before) => {
    const looks = ["photo", "method", "with", "class"].filter((key) => now[key] !== before[key]);
    if (looks.length) redrawWhy({ layOut: looks.includes("photo") });
  });
  await redrawWhy();
  // A link to a map leads to it; who comes back is where they were.
  const [entry] = performance.getEntriesByType("navigation");
  const { layer, method: named, with: beside } = look();
  if (entry?.type === "navigate" && !layer && (named || beside || look().class !== "0")) showPane();
}
