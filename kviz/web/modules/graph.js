// The graph of the layers: moved by scrolling, dragging and arrow keys, larger and smaller, one model at
// a time; the layer that is looked at, and the path from the input through it to the output, are marked.

import { $, element } from "./dom.js";
import { told } from "./source.js";
import { address } from "./state.js";

const [SMALLEST, LARGEST] = [0.1, 2.5];
const parts = () => [...$("graphs").querySelectorAll(".drawing")];
let shown = null;
let zoom = 0;

const boxOf = (part) => part.querySelector(".graph");
const sizeOf = (part) => part.querySelector("svg").viewBox.baseVal;

// Sets how large a drawing is; what lies at a point of its box stays there.
function zoomTo(to, at = null) {
  const box = boxOf(shown);
  const svg = shown.querySelector("svg");
  const { width, height } = sizeOf(shown);
  const before = svg.getBoundingClientRect();
  const frame = box.getBoundingClientRect();
  const [x, y] = at ?? [frame.left + box.clientWidth / 2, frame.top + box.clientHeight / 2];
  const [across, down] = [(x - before.left) / before.width, (y - before.top) / before.height];
  zoom = Math.min(LARGEST, Math.max(SMALLEST, to));
  svg.setAttribute("width", width * zoom);
  svg.setAttribute("height", height * zoom);
  const after = svg.getBoundingClientRect();
  box.scrollLeft += after.left + across * after.width - x;
  box.scrollTop += after.top + down * after.height - y;
}

// Fits the width of a drawing into its box; what would be too small to read is scrolled.
function fit() {
  const { width } = sizeOf(shown);
  const room = boxOf(shown).clientWidth;
  if (room) zoomTo(Math.min(1, Math.max(0.55, room / width)));
}

// Shows one model's drawing, and above it the way back to those that hold it.
function show(path) {
  const part = parts().find((one) => one.dataset.path === path);
  if (!part || part === shown) return;
  shown = part;
  parts().forEach((one) => {
    one.open = one === part;
    one.classList.toggle("shown", one === part);
  });
  const steps = path ? path.split("/") : [];
  const trail = ["", ...steps.map((_, at) => steps.slice(0, at + 1).join("/"))].filter((one) =>
    parts().some(({ dataset }) => dataset.path === one),
  );
  $("graph-where").classList.toggle("nested", trail.length > 1);
  $("graph-where").replaceChildren(...trail.flatMap((one, at) => {
    const name = one ? one.slice(one.lastIndexOf("/") + 1) : told.model;
    const step = one === path
      ? element("bdi", { textContent: name })
      : element("button", { type: "button", textContent: name, className: "plain" });
    step.addEventListener("click", () => one !== path && show(one));
    return at ? [" › ", step] : [step];
  }));
  fit();
}

// Returns what is reached from a layer along lines, itself included.
function reached(from, lines, [tail, head]) {
  const found = new Set([from]);
  const next = new Map();
  lines.forEach(({ dataset }) => {
    if (!next.has(dataset[tail])) next.set(dataset[tail], []);
    next.get(dataset[tail]).push(dataset[head]);
  });
  const waiting = [from];
  while (waiting.length) {
    for (const one of next.get(waiting.pop()) ?? []) {
      if (!found.has(one)) waiting.push(one);
      found.add(one);
    }
  }
  return found;
}

// Marks a layer, in each drawing that has it or what holds it, and shows the innermost.
export function markGraph(path) {
  if (!$("graphs")) return;
  let innermost = "";
  for (const part of parts()) {
    const nodes = [...part.querySelectorAll("a.node")];
    const holds = (node) => path === pathOf(node) || path.startsWith(`${pathOf(node)}/`);
    const chosen = nodes.find(holds);
    const lines = [...part.querySelectorAll(".lines path")];
    const at = chosen?.dataset.at;
    const before = chosen ? reached(at, lines, ["to", "from"]) : new Set();
    const after = chosen ? reached(at, lines, ["from", "to"]) : new Set();
    const along = new Set([...before, ...after]);
    nodes.forEach((node) => {
      node.classList.toggle("along", along.has(node.dataset.at));
      if (node === chosen) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    });
    lines.forEach((line) => {
      const { from, to } = line.dataset;
      line.classList.toggle("along", (before.has(from) && before.has(to)) || (after.has(from) && after.has(to)));
    });
    if (chosen) innermost = part.dataset.path;
  }
  show(innermost);
  scrollToChosen();
}

const pathOf = (node) => told.tree[node.dataset.at].path;

function scrollToChosen() {
  const node = shown?.querySelector("[aria-current]");
  if (!node) return;
  const box = boxOf(shown);
  const [frame, place] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
  if (!frame.height) return;
  const inside = place.top >= frame.top && place.bottom <= frame.bottom && place.left >= frame.left && place.right <= frame.right;
  if (inside) return;
  box.scrollTop += place.top + place.height / 2 - frame.top - frame.height / 2;
  box.scrollLeft += place.left + place.width / 2 - frame.left - frame.width / 2;
}

function listen(box) {
  let from = null;
  const fingers = new Map();
  const apart = () => {
    const [one, other] = [...fingers.values()];
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, event);
    else if (event.button === 0) from = { x: event.clientX, y: event.clientY, left: box.scrollLeft, top: box.scrollTop, moved: false };
  });
  box.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId)) {
      const before = fingers.size === 2 && apart();
      fingers.set(event.pointerId, event);
      if (before) zoomTo((zoom * apart()) / before, [event.clientX, event.clientY]);
    } else if (from && event.buttons & 1) {
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      // A click may tremble.
      from.moved ||= Math.hypot(x, y) > 4;
      if (!from.moved) return;
      box.classList.add("moving");
      box.scrollLeft = from.left - x;
      box.scrollTop = from.top - y;
    }
  });
  const end = (event) => {
    fingers.delete(event.pointerId);
    box.classList.remove("moving");
  };
  ["pointerup", "pointercancel", "pointerleave"].forEach((kind) => box.addEventListener(kind, end));
  box.addEventListener("dragstart", (event) => event.preventDefault());
  box.addEventListener("click", (event) => {
    const moved = from?.moved;
    from = null;
    if (!moved) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  box.addEventListener("wheel", (event) => {
    // What a trackpad's pinch comes as, too.
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 200), [event.clientX, event.clientY]);
  }, { passive: false });
  box.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoomTo(zoom * 1.25);
    else if (event.key === "-") zoomTo(zoom / 1.25);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
}

export function startGraph(choose) {
  if (!$("graphs")) return;
  for (const part of parts()) {
    listen(boxOf(part));
    part.querySelectorAll("a.node").forEach((node) => {
      node.setAttribute("href", address({ layer: pathOf(node), ch: "", cell: "" }));
      node.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        choose(pathOf(node));
        // What holds others opens in place.
        show(pathOf(node));
      });
    });
  }
  $("graph-in").addEventListener("click", () => zoomTo(zoom * 1.25));
  $("graph-out").addEventListener("click", () => zoomTo(zoom / 1.25));
  $("graph-fit").addEventListener("click", fit);
  $("graph-wide").addEventListener("click", ({ currentTarget }) => {
    const wide = $("inside-panes").classList.toggle("wide");
    currentTarget.setAttribute("aria-pressed", String(wide));
    fit();
    scrollToChosen();
  });
}
