// The bench: the photo with what the model sees of it, moved and changed, and the answer that follows.

import { $, said } from "../dom.js";
import { link } from "./server.js";
import { change } from "../state.js";
import { add, onPhoto, painted } from "./photos.js";
import { trouble } from "./trouble.js";

// The photo looked at, its place, and what is done to it.
const bench = { place: 0, reply: null, base: null, strokes: null, busy: false, again: false, asked: 0 };
// Pixels of these canvases are read more often than they are drawn.
export const brushOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true });
const EDITS = ["noise", "x", "y", "turn"];
const edit = (key) => Number($(`edit-${key}`).value);
// What a slider's number is of.
const UNITS = { size: " %", noise: " of 255", x: " %", y: " %", turn: "°" };

function sayNumbers() {
  for (const [key, unit] of Object.entries(UNITS)) $(`edit-${key}-value`).textContent = `${said(edit(key))}${unit}`;
}

function show(reply, place) {
  const { head, arrays } = reply;
  // A photo that is being changed stays on the bench with the one that it is made of.
  if (!head.origin || head.origin !== bench.origin) {
    Object.assign(bench, { base: arrays.pixels && painted(arrays.pixels), strokes: null, origin: reply, originPlace: place });
    EDITS.forEach((key) => { $(`edit-${key}`).value = "0"; });
  }
  // What is still asked of the one before is too late.
  Object.assign(bench, { reply, place, asked: bench.asked + 1 });
  $("desk").hidden = false;
  $("view").parentElement.hidden = $("edits").hidden = !bench.base;
  if (bench.base) draw();
  showCard(arrays);
  $("verdict-words").hidden = !head.answer?.verdict;
}

export function showCard({ card }, place = $("cards")) {
  // The server's own markup, in which every name is escaped.
  place.innerHTML = new TextDecoder().decode(card);
}

// Draws the photo with the box that the model sees, or, once it is changed, what the model sees.
function draw() {
  const { head, arrays } = bench.origin;
  // A brush paints on what the model sees, and so that is shown.
  const changed = isChanged() || $("edit-brush").value !== "";
  const original = !changed && arrays.original ? painted(arrays.original) : composed();
  const canvas = $("view-canvas");
  canvas.width = original.width;
  canvas.height = original.height;
  brushOf(canvas).drawImage(original, 0, 0);
  canvas.classList.toggle("tiny", Math.max(original.width, original.height) < 128);
  canvas.setAttribute("aria-label", `The photo ${head.name}`);
  $("edit-words").textContent = editWords();
  const box = head.box;
  const movable = !changed && box && head.original;
  $("crop").hidden = !movable;
  if (movable) placeCrop(box);
  sayNumbers();
  $("view-words").textContent = changed
    ? `What the model sees: ${head.width} × ${head.height}${isChanged() ? ", changed by you" : ""}.`
    : movable
      ? `${head.original.width} × ${head.original.height} pixels; in the frame what the model sees. Drag it, or use the arrow keys.`
      : `${head.width} × ${head.height} pixels.`;
}

function placeCrop([left, top, right, bottom]) {
  const { width, height } = bench.origin.head.original;
  Object.assign($("crop").style, {
    left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
    width: `${(100 * (right - left)) / width}%`, height: `${(100 * (bottom - top)) / height}%`,
  });
}

function isChanged() {
  return Boolean(bench.strokes) || EDITS.some((key) => edit(key) !== 0);
}

// Returns what the model would be given as a canvas: turned, shifted, painted on, and with noise.
function composed() {
  const { width, height } = bench.base;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = brushOf(canvas);
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  context.translate(width / 2 + (edit("x") * width) / 100, height / 2 + (edit("y") * height) / 100);
  context.rotate((edit("turn") * Math.PI) / 180);
  context.drawImage(bench.base, -width / 2, -height / 2);
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (bench.strokes) context.drawImage(bench.strokes, 0, 0);
  if (edit("noise")) addNoise(context, width, height, edit("noise"));
  return canvas;
}

// The same noise at each step of the slider, so that only its size changes.
let noise = null;
function addNoise(context, width, height, deviation) {
  const image = context.getImageData(0, 0, width, height);
  if (noise?.length !== image.data.length) {
    noise = Float32Array.from(image.data, () =>
      Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
  }
  for (let at = 0; at < image.data.length; at++) {
    if (at % 4 !== 3) image.data[at] += deviation * noise[at];
  }
  context.putImageData(image, 0, 0);
}

// Returns a canvas's pixels as an ask has them.
export function pixelsOf(canvas) {
  const { data, width, height } = brushOf(canvas).getImageData(0, 0, canvas.width, canvas.height);
  return { pixels: { data: new Uint8Array(data.buffer), shape: [height, width, 4] } };
}

// Shows what the model says of what is on the bench now; while it answers, only the latest counts.
async function follow() {
  draw();
  if (bench.busy) {
    bench.again = true;
    return;
  }
  bench.busy = true;
  const mine = ++bench.asked;
  try {
    const { arrays } = await link.ask("photo", { name: nameNow(), transient: true }, { arrays: pixelsOf(composed()) });
    if (mine === bench.asked) showCard(arrays);
  } catch (error) {
    trouble(error);
  }
  bench.busy = false;
  if (bench.again) {
    bench.again = false;
    follow();
  }
}

const nameNow = () => `${bench.origin.head.name}, changed`;

// Puts what is on the bench beside the photos, so that all panes can look at it.
function keep() {
  const { origin, reply, place } = bench;
  const at = reply.head.origin === origin ? place : null;
  return add({ name: nameNow() }, pixelsOf(composed()), at, { origin });
}

// Shows the photo as it was, with its own answer.
function reset() {
  EDITS.forEach((key) => { $(`edit-${key}`).value = "0"; });
  bench.strokes = null;
  bench.asked += 1;
  if (bench.place === bench.originPlace) show(bench.origin, bench.originPlace);
  else change({ photo: bench.originPlace });
}

// Says what is done to the photo, in numbers.
function editWords() {
  const words = [];
  if (edit("noise")) words.push(`noise of deviation ${edit("noise")} of 255`);
  if (edit("x") || edit("y")) words.push(`shifted by ${edit("x")} % and ${edit("y")} %`);
  if (edit("turn")) words.push(`rotated by ${edit("turn")}°`);
  if (bench.strokes) words.push("painted on");
  return words.join(", ");
}

function startEdits() {
  for (const key of EDITS) {
    $(`edit-${key}`).addEventListener("input", follow);
    $(`edit-${key}`).addEventListener("change", () => isChanged() && keep());
  }
  $("edit-size").addEventListener("input", sayNumbers);
  $("edit-reset").addEventListener("click", reset);
  $("edit-brush").addEventListener("change", draw);
  const canvas = $("view-canvas");
  const brush = () => $("edit-brush").value;
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!brush()) return;
    canvas.setPointerCapture(event.pointerId);
    bench.strokes ??= Object.assign(document.createElement("canvas"), { width: bench.base.width, height: bench.base.height });
    last = spot(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = spot(event);
    stroke(last, now);
    last = now;
  });
  canvas.addEventListener("pointerup", () => {
    if (last) keep();
    last = null;
  });
}

// Returns where an event lies in what the model sees.
function spot(event) {
  const box = $("view-canvas").getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * bench.base.width,
    ((event.clientY - box.top) / box.height) * bench.base.height,
  ];
}

function stroke(from, to) {
  const level = $("edit-brush").value;
  const context = bench.strokes.getContext("2d");
  context.strokeStyle = `rgb(${level} ${level} ${level})`;
  context.lineCap = "round";
  context.lineWidth = (edit("size") / 100) * bench.base.width;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  follow();
}

// The frame of what the model sees is moved by pointer and keys, and asked about when it rests.
function startCrop() {
  const crop = $("crop");
  const moved = (by, times = 1) => {
    const { box, original } = bench.origin.head;
    const [left, top, right, bottom] = box;
    const [width, height] = [(right - left) * times, (bottom - top) * times];
    if (width > original.width || height > original.height || Math.min(width, height) < 8) return null;
    const x = Math.min(Math.max(0, left + (right - left - width) / 2 + by[0]), original.width - width);
    const y = Math.min(Math.max(0, top + (bottom - top - height) / 2 + by[1]), original.height - height);
    return [x, y, x + width, y + height].map(Math.round);
  };
  const settle = (box) => add({ photo: bench.origin.head.photo, name: bench.origin.head.name, box }, {}, bench.place);
  let grabbed = null;
  crop.addEventListener("pointerdown", (event) => {
    crop.setPointerCapture(event.pointerId);
    grabbed = [event.clientX, event.clientY];
  });
  const by = (event) => {
    const box = $("view").getBoundingClientRect();
    const { width } = bench.origin.head.original;
    return [event.clientX - grabbed[0], event.clientY - grabbed[1]].map((one) => (one * width) / box.width);
  };
  crop.addEventListener("pointermove", (event) => grabbed && placeCrop(moved(by(event)) ?? bench.origin.head.box));
  crop.addEventListener("pointerup", (event) => {
    if (!grabbed) return;
    const box = moved(by(event));
    grabbed = null;
    if (box && String(box) !== String(bench.origin.head.box)) settle(box);
  });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  crop.addEventListener("keydown", (event) => {
    const one = bench.origin.head.original.width / 50;
    const step = steps[event.key]?.map((part) => part * one);
    const times = { "+": 1 / 1.15, "-": 1.15 }[event.key];
    if (!step && !times) return;
    event.preventDefault();
    const box = moved(step ?? [0, 0], times);
    if (box) settle(box);
  });
}

export function startBench() {
  onPhoto(show);
  startEdits();
  startCrop();
}
