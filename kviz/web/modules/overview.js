// All methods and classes of a photo as small pictures; each leads to the large one.

import { $, element } from "./dom.js";
import { chosen, evidenceFor, isZero, mapsOf, scoreOf, titleOf } from "./evidence.js";
import { lay, layPhoto, pixelsOf } from "./overlay.js";
import { sideOf } from "./stage.js";
import { change } from "./state.js";

// As large as they are seen on a screen of two pixels to one.
const LONGEST = 288;

// Builds the buttons, so that all has its place before anything is drawn.
export function layOutOverview() {
  const all = mapsOf(chosen().image);
  const { method, which: place } = document.activeElement?.closest("#overview button")?.dataset ?? {};
  const classes = all[0]?.classes ?? [];
  $("overview").replaceChildren(...classes.map(({ name, rival }, which) => {
    const head = element("h3", {}, rival ? "Runner-up: " : "Explained: ", element("bdi", { textContent: name }),
      element("span", { className: "quiet", textContent: ` ${scoreOf(all[0], which)}` }));
    const buttons = all.filter((one) => one.classes[which]).map((one) => thumbnail(one, which));
    return element("div", {}, head, element("div", { className: "thumbnails" }, ...buttons));
  }));
  // Where a camera brings photo after photo, who is on a button stays there.
  if (method) {
    const same = [...$("overview").querySelectorAll("button")].find(
      ({ dataset }) => dataset.method === method && dataset.which === place,
    );
    same?.focus({ preventScroll: true });
  }
  markOverview();
}

function thumbnail(one, which) {
  const canvas = element("canvas", { attributes: { "aria-hidden": "true" }, width: one.width, height: one.height });
  const button = element("button", { type: "button", dataset: { method: one.method, which } },
    canvas, element("span", { textContent: titleOf(one) }));
  const notes = [];
  if (isZero(one, which)) notes.push(["zero everywhere", "worse"]);
  const certificate = one.certificates[which];
  if (certificate) notes.push([certificate.flag, certificate.better ? "" : "worse"]);
  // With a space between them, as the button's name has it.
  button.append(...notes.flatMap(([textContent, className]) => [" ", element("small", { textContent, className })]));
  const words = notes.map(([text]) => `, ${text}`).join("");
  button.setAttribute("aria-label", `${titleOf(one)}${words}, ${evidenceFor(one, which)}`);
  button.addEventListener("click", () => change({ method: one.method, class: which }));
  return button;
}

export function markOverview() {
  const { one, which } = chosen();
  for (const button of $("overview").querySelectorAll("button")) {
    const { method, which: place } = button.dataset;
    button.setAttribute("aria-pressed", String(method === one?.method && Number(place) === which));
  }
}

export async function drawOverview(how) {
  const { image: place } = chosen();
  const photo = await pixelsOf(place);
  const all = mapsOf(place);
  for (const button of $("overview").querySelectorAll("button")) {
    const one = all.find(({ method }) => method === button.dataset.method);
    if (!one) continue;
    const { width, height } = photo ?? one;
    // What could not be had is said on the stage, once it is chosen.
    const side = await sideOf(one, Number(button.dataset.which), how, width, height).catch(() => null);
    if (!side) continue;
    const image = new ImageData(width, height);
    if (photo) layPhoto(image, photo, how);
    lay(image, photo, side, how, 0, width);
    button.classList.toggle("tiny", Math.max(width, height) < 128);
    await drawSmall(button.querySelector("canvas"), image);
  }
}

async function drawSmall(canvas, image) {
  const times = Math.min(1, LONGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * times)));
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (times === 1) context.putImageData(image, 0, 0);
  else context.drawImage(await createImageBitmap(image), 0, 0, width, height);
}
