// The large photo of the pane Why: one map over it, or two with a line between them.

import { $, element, said } from "./dom.js";
import { chosen, colouring, described, nameOf, nothingIn, strongest, valuesOf, whereWords } from "./evidence.js";
import { drawFadingBar, lay, layPhoto, pixelsOf, spread } from "./overlay.js";
import { differenceWords } from "./regions.js";
import { told } from "./source.js";

// Returns all that a map needs to be laid over a photo of a size.
export async function sideOf(one, which, how, width, height) {
  const values = await valuesOf(one, which);
  const kept = strongest(values, how.sign, how.strongest);
  return {
    one, which, kept, from: how.strongest < 100 ? kept.from : 0,
    values: spread(values, one, width, height), ...colouring(one, which, how),
  };
}

// Returns what is looked at as an image of the photo's own size, and its one side or two.
export async function picture(how) {
  const { image: place, one, sides: chosenSides } = chosen();
  const photo = await pixelsOf(place);
  const { width, height } = photo ?? one ?? told.photos[place] ?? { width: 1, height: 1 };
  const sides = await Promise.all(
    chosenSides.map((side) => sideOf(side.one, side.which, how, width, height)),
  );
  const image = new ImageData(width, height);
  const line = sides.length > 1 ? Math.round((width * how.swipe) / 100) : width;
  if (photo) layPhoto(image, photo, how);
  if (sides[0]) lay(image, photo, sides[0], how, 0, line);
  if (sides[1]) lay(image, photo, sides[1], how, line, width);
  return { place, photo, image, sides, name: nameOf(place), tiny: Math.max(width, height) < 128 };
}

export function showPicture({ photo, image, sides, name, tiny, place }, how) {
  const canvas = $("stage-canvas");
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const difference = differenceWords(sides);
  $("stage-difference").textContent = difference;
  const words = `${alternative(sides, name, Boolean(photo))} ${difference}`.trim();
  canvas.setAttribute("aria-label", words);
  // Said once a choice, not with every step of a slider.
  if ($("stage-said").textContent !== words) $("stage-said").textContent = words;
  const stage = $("stage");
  stage.classList.toggle("tiny", tiny);
  stage.style.aspectRatio = `${image.width} / ${image.height}`;
  stage.style.setProperty("--ratio", image.width / image.height);
  const two = sides.length > 1;
  stage.classList.toggle("two", two);
  $("stage-line").hidden = $("swipe-row").hidden = !two;
  $("stage-line").style.left = `${how.swipe}%`;
  $("stage-nothing").replaceChildren(...sides.flatMap(({ one, which }, at) => {
    const words = nothingIn(one, which);
    const className = two ? ["left", "right"][at] : "";
    return words ? [element("p", { className, textContent: words })] : [];
  }));
  showSides(sides, how, Boolean(photo), place);
}

function alternative(sides, name, over) {
  if (!sides.length) return "";
  const words = sides.map(({ one, which }, at) => {
    const place = sides.length > 1 ? ["Left: ", "Right: "][at] : "";
    return `${place}${described(one, which)} ${nothingIn(one, which) || whereWords(one, which)}`.trim();
  });
  return `${over ? `The image ${name} with a map over it` : `A map of ${name}`}. ${words.join(" ")}`;
}

// A sentence for each side, and its own colour bar: two maps have two scales.
function showSides(sides, how, over, place) {
  const legend = $("stage-legend");
  if (!sides.length) {
    const textContent = told.photos.length ? `There is no map of ${nameOf(place)} yet.` : "There is no photo yet.";
    legend.replaceChildren(element("p", { textContent }));
    return;
  }
  legend.classList.toggle("two", sides.length > 1);
  legend.replaceChildren(...sides.map((side, at) => {
    const sentence = element("p", { textContent: described(side.one, side.which) });
    if (sides.length > 1) sentence.prepend(element("strong", { textContent: ["Left. ", "Right. "][at] }));
    return element("div", { className: "side" }, sentence, ...bar(side, how, over), ...keptWords(side, how));
  }));
}

function bar(side, how, over) {
  if (!(side.high > 0)) return [];
  const canvas = element("canvas", { attributes: { "aria-hidden": "true" } });
  drawFadingBar(canvas, side, how, over);
  const [low, high] = barEnds(side, how);
  return [element("div", { className: "colourbar" }, canvas,
    element("span", { className: "low", textContent: low }),
    element("span", { className: "high", textContent: high }))];
}

// Returns what stands at the ends of a bar: values as they are, and for what they are.
export function barEnds({ low, high }, { sign }) {
  if (low < 0) return [`${said(low)} against`, `${said(high)} for`];
  return [said(0), `${said(high)}${{ against: " against", size: " in size" }[sign] ?? ""}`];
}

export function keptSentence({ kept, high }, how) {
  if (!(high > 0) || how.strongest >= 100) return "";
  const percent = `${Math.round(1000 * kept.share) / 10} %`;
  return `Shown: the ${kept.kept.toLocaleString("en")} of ${kept.of.toLocaleString("en")} pixels with the ` +
    `largest values; they hold ${percent} of the sum.`;
}

function keptWords(side, how) {
  const textContent = keptSentence(side, how);
  return textContent ? [element("p", { className: "quiet", textContent })] : [];
}
