// The layers as a tree that folds: nested models, and runs of layers whose names begin alike.

import { $, element } from "./dom.js";
import { chosenPhoto, placeOf, plural } from "./layers.js";
import { told } from "./source.js";

// Lists shorter than this are not folded by name.
const LONG = 12;
let choose = () => {};

// Returns layers as they hold one another: [{ name, at, children }], `at` a place in told.tree.
function nested() {
  const roots = [];
  const holders = new Map([["", { children: roots }]]);
  const holderOf = (path) => {
    if (!holders.has(path)) {
      const cut = path.lastIndexOf("/");
      const made = { name: path.slice(cut + 1), at: null, children: [] };
      holders.set(path, made);
      holderOf(path.slice(0, Math.max(0, cut))).children.push(made);
    }
    return holders.get(path);
  };
  told.tree.forEach(({ path }, at) => (holderOf(path).at = at));
  return roots;
}

// What names that are numbered begin with: `fire2` of `fire2_squeeze1x1`, `block_1` of `block_1_expand`.
const beginningOf = (name) => /^[A-Za-z]+_?\d+[a-z]?(?=[_.])/.exec(name)?.[0] ?? "";

// Returns items with runs of at least three whose names begin alike folded into one.
function foldedByName(items) {
  items.forEach((item) => (item.children = foldedByName(item.children)));
  if (items.length <= LONG) return items;
  const runs = [];
  for (const item of items) {
    const name = item.children.length ? "" : beginningOf(item.name);
    if (name && runs.at(-1)?.name === name) runs.at(-1).items.push(item);
    else runs.push({ name, items: [item] });
  }
  return runs.flatMap(({ name, items: run }) =>
    run.length < 3 || run.length === items.length ? run : [{ name: `${name}…`, at: null, children: run }],
  );
}

function drawnItem(item, level) {
  const { name, at, children } = item;
  const entry = at === null ? null : told.tree[at];
  const count = children.length && plural(children.length, "layer");
  const row = element("div", {
    className: `row ${entry?.family ?? "group"}`, tabIndex: -1, title: entry?.path ?? "",
    attributes: { role: "treeitem", "aria-level": level },
  });
  row.append(element("bdi", { className: "name", textContent: name }), element("span", { className: "about" },
    element("span", { className: "kind", textContent: entry ? entry.kind : count }), " ",
    element("span", { className: "shape", textContent: entry ? entry.shape.map((n) => n ?? "?").join("×") : "" })));
  if (entry) {
    row.dataset.at = at;
    row.setAttribute("aria-selected", "false");
  }
  const made = element("li", { attributes: { role: "none" } }, row);
  if (children.length) {
    row.setAttribute("aria-expanded", "false");
    made.append(element("ul", { attributes: { role: "group" } }, ...children.map((child) => drawnItem(child, level + 1))));
  }
  return made;
}

const items = () => [...$("tree").querySelectorAll("[role=treeitem]")];
const isSeen = (item) => item.checkVisibility();

// Returns the item that holds another, null for one that none does.
const holderOf = (item) => item.parentElement.parentElement.closest("li")?.querySelector("[role=treeitem]") ?? null;

function holdersOf(item) {
  const holder = holderOf(item);
  return holder ? [holder, ...holdersOf(holder)] : [];
}

function focusOn(item) {
  $("tree").querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  item.tabIndex = 0;
  item.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

function fold(item, open) {
  if (item.hasAttribute("aria-expanded")) item.setAttribute("aria-expanded", String(open));
}

function enter(item) {
  if (item.dataset.at !== undefined) choose(told.tree[item.dataset.at].path);
  else if (item.getAttribute("aria-expanded") === "true") fold(item, false);
  else unfold(item);
}

// Opens an item, and scrolls the tree, not the page, so that as much is seen of what it holds as there is room for.
function unfold(item) {
  if (item.getAttribute("aria-expanded") !== "false") return;
  fold(item, true);
  const [box, row, held] = [$("tree"), item, item.nextElementSibling].map((one) => one.getBoundingClientRect());
  const below = held.bottom - Math.min(box.bottom, innerHeight);
  if (below > 0) $("tree").scrollTop += Math.min(below, row.top - box.top);
}

function pressed(event) {
  const item = event.target.closest("[role=treeitem]");
  if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
  const seen = items().filter(isSeen);
  const at = seen.indexOf(item);
  const open = item.getAttribute("aria-expanded");
  const above = holderOf(item);
  const work = {
    ArrowDown: () => seen[at + 1] && focusOn(seen[at + 1]),
    ArrowUp: () => (seen[at - 1] ? focusOn(seen[at - 1]) : $("tree-search").focus()),
    Home: () => focusOn(seen[0]),
    End: () => focusOn(seen.at(-1)),
    ArrowRight: () => (open === "false" ? unfold(item) : open && focusOn(seen[at + 1])),
    ArrowLeft: () => (open === "true" ? fold(item, false) : above && focusOn(above)),
    Enter: () => enter(item),
    " ": () => enter(item),
  }[event.key];
  if (!work) return;
  event.preventDefault();
  work();
}

// Shows those whose name or type holds what is looked for, and what they are in.
function filter() {
  const wanted = $("tree-search").value.trim().toLowerCase();
  const all = items();
  let found = 0;
  for (const item of all) {
    const entry = told.tree[item.dataset.at];
    const fits = entry && `${entry.path} ${entry.kind}`.toLowerCase().includes(wanted);
    found += Boolean(fits);
    item.parentElement.hidden = Boolean(wanted) && !fits;
  }
  if (wanted) {
    for (const holder of all.filter((item) => !item.parentElement.hidden).flatMap(holdersOf)) {
      holder.parentElement.hidden = false;
      fold(holder, true);
    }
  }
  $("tree-found").textContent = wanted ? `${found} of ${plural(told.tree.length, "layer")}` : "";
}

// Marks the layer that is looked at and opens what it is in.
export function markTree(path) {
  for (const item of items()) {
    if (item.dataset.at === undefined) continue;
    const here = told.tree[item.dataset.at].path === path;
    item.setAttribute("aria-selected", String(here));
    if (!here) continue;
    holdersOf(item).forEach((holder) => fold(holder, true));
    $("tree").querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    item.tabIndex = 0;
    // Within its own box: the page stays where it is.
    const [box, row] = [$("tree").getBoundingClientRect(), item.getBoundingClientRect()];
    if (row.top < box.top || row.bottom > box.bottom) $("tree").scrollTop += row.top - box.top - box.height / 3;
  }
}

// Says beside each layer how many of its channels are dead for the photo.
export function markDead() {
  const photo = chosenPhoto();
  for (const item of items()) {
    const entry = told.tree[item.dataset.at];
    const layer = entry && told.layers[placeOf(entry.path)];
    const dead = layer?.empty?.[photo];
    item.querySelector(".dead")?.remove();
    if (!dead) continue;
    const made = element("span", { className: "dead", textContent: `${dead} dead` });
    made.style.setProperty("--share", `${(100 * dead) / layer.channels}%`);
    item.append(made);
  }
}

export function startTree(onChoice) {
  const tree = $("tree");
  choose = onChoice;
  const made = foldedByName(nested());
  tree.replaceChildren(...made.map((item) => drawnItem(item, 1)));
  tree.querySelector("[role=treeitem]")?.setAttribute("tabindex", "0");
  // A short tree is there whole.
  if (told.tree.length <= 2 * LONG) items().forEach((item) => fold(item, true));
  tree.addEventListener("keydown", pressed);
  tree.addEventListener("click", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item) return;
    focusOn(item);
    enter(item);
    if (item.dataset.at !== undefined) unfold(item);
  });
  $("tree-search").addEventListener("input", filter);
  $("tree-search").addEventListener("keydown", (event) => {
    const first = items().find((item) => isSeen(item) && item.dataset.at !== undefined);
    if (event.key === "ArrowDown" && first) focusOn(first);
    else if (event.key === "Enter" && first) enter(first);
    else return;
    event.preventDefault();
  });
}
