// What the app makes on demand: a photo that fools the model, and its image of a class.

import { $, element, said } from "../dom.js";
import { chosenPhoto } from "../layers.js";
import { told } from "../source.js";
import { painted, add, replies } from "./photos.js";
import { trouble } from "./trouble.js";
import { pictured, run } from "./jobs.js";
import { pixelsOf } from "./bench.js";

const names = () => told.live.models[0].class_names;

// Returns the index of a class that was typed: its name, or its number.
function chosen(input) {
  const text = input.value.trim();
  const index = names()?.indexOf(text) ?? -1;
  if (index >= 0) return index;
  if (/^\d+$/.test(text) && Number(text) < told.live.models[0].classes) return Number(text);
  const message = text ? `There is no class called “${text}”. Choose one from the list, or its number.` : "Choose a class first.";
  throw Object.assign(new Error(message), { code: "option" });
}

const share = ({ name, score, is_probability: isShare }) => `${name} ${isShare ? `${said(100 * score)} %` : said(score)}`;

async function fool() {
  const place = chosenPhoto();
  const options = { photo: told.photos[place]?.id, class_index: chosen($("fool-class")) };
  const most = Number($("fool-epsilon").value);
  if (most) options.epsilon = most;
  const found = $("fool-found");
  const done = await run(found, { name: "fool", options, start: $("fool-start"), stop: $("fool-stop"), words: "The photo as it is changed" });
  if (!done) return;
  const { head, arrays } = done;
  const change = arrays.change.map(Math.abs);
  const peak = Math.max(...change) || 1;
  const [height, width] = arrays.change.shape;
  const grey = Uint8Array.from({ length: 3 * change.length }, (_, at) => 255 - (255 * change[Math.floor(at / 3)]) / peak);
  const before = replies[place].arrays.pixels;
  const keep = element("button", { type: "button", textContent: "Look at the changed photo" });
  keep.addEventListener("click", () => add({ name: `${told.photos[place].name}, fooling` }, pixelsOf(painted(arrays.picture))));
  found.replaceChildren(
    pictured(before, told.photos[place].name, share(head.before)),
    pictured(arrays.picture, head.arrived ? "Changed" : "Changed, not far enough", share(head.after)),
    pictured(Object.assign(grey, { shape: [height, width, 3] }), "The change, enlarged", `at most ${said(head.max_change)} of 255`),
    keep,
  );
}

async function dream() {
  const options = { class_index: chosen($("dream-class")), seed: Number($("dream-seed").value) };
  const done = await run($("dream-found"), { name: "class_image", options, start: $("dream-start"), stop: $("dream-stop"), words: "The class image as it is made" });
  if (!done) return;
  const { head, arrays } = done;
  $("dream-found").replaceChildren(pictured(arrays.picture, head.label, `seed ${options.seed}`));
}

export function startDreams() {
  $("classes").append(...(names() ?? []).map((value) => element("option", { value })));
  const onMost = () => {
    const most = Number($("fool-epsilon").value);
    $("fool-most").textContent = most ? `${most} of 255` : "as little as it takes";
  };
  $("fool-epsilon").addEventListener("input", onMost);
  $("fool-start").addEventListener("click", () => fool().catch(trouble));
  $("dream-start").addEventListener("click", () => dream().catch(trouble));
}
