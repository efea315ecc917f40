// What is shown in the pane Why as files: the picture, its numbers, and all maps of the page.

import { element, svg } from "./dom.js";
import { chosen, described, figured, nameOf, nothingIn, valuesOf } from "./evidence.js";
import { csv, npy, npyText, plainName, save, zip } from "./files.js";
import { barColours } from "./overlay.js";
import { barEnds, keptSentence, picture } from "./stage.js";
import { told } from "./source.js";

function fileOf({ place, sides }) {
  const [{ one, which }, beside] = sides;
  const parts = [nameOf(place), one.method, one.classes[which].name];
  const other = beside && (beside.one === one ? one.classes[beside.which].name : beside.one.method);
  return plainName([...parts, ...(other ? ["with", other] : [])].join("_"), 120);
}

const canvasOf = (image) => {
  const canvas = element("canvas", { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

export async function savePng(how) {
  const shown = await picture(how);
  canvasOf(shown.image).toBlob((blob) => save(`${fileOf(shown)}.png`, [blob], "image/png"), "image/png");
}

export async function saveSvg(how) {
  const shown = await picture(how);
  const text = new XMLSerializer().serializeToString(drawing(shown, how));
  save(`${fileOf(shown)}.svg`, [text], "image/svg+xml");
}

const WIDTH = 640;
// About the mean width of a letter at the size used.
const LETTER = 6.6;

// Returns what is shown as a drawing: the picture in it has pixels, bars and words are lines and letters.
export function drawing({ image, photo, sides, name, tiny }, how) {
  const high = Math.round((WIDTH * image.height) / image.width);
  const two = sides.length > 1;
  const room = two ? (WIDTH - 24) / 2 : WIDTH;
  const blocks = sides.map((side, at) => {
    const words = [
      (two ? ["Left. ", "Right. "][at] : "") + described(side.one, side.which),
      nothingIn(side.one, side.which), keptSentence(side, how),
    ];
    const lines = words.filter(Boolean).flatMap((text) => wrapped(text, room / LETTER));
    return { side, lines, left: at * (room + 24) };
  });
  const rows = Math.max(0, ...blocks.map(({ lines }) => lines.length));
  const height = high + 36 + 18 * rows + 60;
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, "font-family": "sans-serif", "font-size": 13 });
  const title = [name, ...sides.map(({ one, which }) => described(one, which))].join(". ");
  root.append(svg("title", {}, title), svg("rect", { width: WIDTH, height, fill: "#fff" }));
  const picture = svg("image", { width: WIDTH, height: high, href: canvasOf(image).toDataURL("image/png") });
  if (tiny) picture.setAttribute("image-rendering", "pixelated");
  root.append(picture, text(name, 0, high + 20, "#555"));
  blocks.forEach(({ side, lines, left }, at) => {
    lines.forEach((line, row) => root.append(text(line, left, high + 42 + 18 * row)));
    if (side.high > 0) root.append(...barOf(side, how, Boolean(photo), left, high + 36 + 18 * rows, room, at));
  });
  return root;
}

const text = (words, x, y, fill = "#000", anchor = "start") => svg("text", { x, y, fill, "text-anchor": anchor }, words);

function barOf(side, how, over, x, y, width, at) {
  const colours = barColours(side.palette, side.low, side.high, over ? how.opacity : null);
  const stops = colours.map((colour, level) =>
    svg("stop", { offset: level / 255, "stop-color": `rgb(${colour.join(",")})` }));
  const [low, high] = barEnds(side, how);
  return [
    svg("linearGradient", { id: `bar-${at}` }, ...stops),
    svg("rect", { x, y, width, height: 14, fill: `url(#bar-${at})`, stroke: "#888" }),
    text(low, x, y + 32), text(high, x + width, y + 32, "#000", "end"),
  ];
}

// Returns lines of words that are at most so many letters long, where the words allow it.
function wrapped(words, length) {
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= length || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export async function saveCsv() {
  const { image: place, which, one } = chosen();
  const values = await valuesOf(one, which);
  save(`${fileOf({ place, sides: [{ one, which }] })}.csv`, [csv(values, one.height, one.width)], "text/csv");
}

// Returns in which folder the command is run, or what the Python needs.
export function figureWhere() {
  const { command, photos, files } = told.figure;
  const place = figured().image;
  if (!command || !photos[place]) return "Run this in Python, where network is the model and images are the photos:";
  const [model, photo] = files[place] ?? [];
  return model ? `Run this in the folder that has ${model} and ${photo}:` : "Run this where the page was made:";
}

// Returns what makes a PDF of what is shown: a command, or Python where no command can name the model and
// the photo.
export function figureLine() {
  const { image: place, methods, classes } = figured();
  const file = `${plainName(nameOf(place).replace(/\.[^.]*$/, ""))}.pdf`;
  const { command, photos, options: asked } = told.figure;
  if (command && photos[place]) {
    const options = [...methods.map((method) => `--method ${method}`), ...classes.map((index) => `--class ${index}`)];
    return [command, photos[place], ...options, `--out ${file}`].join(" ");
  }
  const images = told.photos.length > 1 ? `images[${place}:${place + 1}]` : "images";
  const classIndex = classes.length > 1 ? `[[${classes.join(", ")}]]` : classes[0];
  const more = Object.entries(asked).map(([name, value]) => `, ${name}=${JSON.stringify(value)}`).join("");
  const found = methods.map((method) => `kviz.attribute(network, ${images}, "${method}", class_index=${classIndex}${more})`);
  return `${found.length > 1 ? `kviz.compare([${found.join(", ")}])` : found[0]}.save("${file}")`;
}

// All maps, each under the names of its photo, method and class; `index` lists them, a row a map.
export async function saveNpz() {
  const files = [];
  const index = [["name", "photo", "method", "class", "class index", "score", "score name", "layers"]];
  const taken = new Set(["index"]);
  for (const one of told.attributions) {
    for (const [which, { name, index: place }] of one.classes.entries()) {
      const key = free(plainName(`${nameOf(one.image)}_${one.method}_${name}`, 120), taken);
      files.push([`${key}.npy`, npy(await valuesOf(one, which), [one.height, one.width])]);
      index.push([key, nameOf(one.image), one.method, name, String(place), String(one.scores[which]), one.score_name, one.layers.join(", ")]);
    }
  }
  files.push(["index.npy", npyText(index)]);
  save(`${plainName(told.model)}_attributions.npz`, zip(files), "application/zip");
}

function free(name, taken) {
  let key = name;
  for (let count = 2; taken.has(key); count++) key = `${name}-${count}`;
  taken.add(key);
  return key;
}
