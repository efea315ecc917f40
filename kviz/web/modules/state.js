// What a reader looks at, kept in the address, so that links, Back and reload lead there again.
//
// `#layer=conv1&ch=24&photo=1&method=grad_cam`; an address without an equals sign is a place on the page.

const DEFAULTS = { layer: "", ch: "", at: "", photo: "0", method: "", with: "", class: "0", sort: "" };
const listeners = new Set();
let state = read();

function read(text = location.hash.slice(1)) {
  const given = text.includes("=") ? Object.fromEntries(new URLSearchParams(text)) : {};
  const known = Object.entries(given).filter(([key]) => Object.hasOwn(DEFAULTS, key));
  return { ...DEFAULTS, ...Object.fromEntries(known) };
}

// Returns what is looked at: text by name, "" for what nobody chose.
export const look = () => state;

// Returns the address of what is looked at, with changes.
export function address(changes = {}) {
  const wanted = { ...state, ...changes };
  const chosen = Object.keys(DEFAULTS).filter((key) => String(wanted[key]) !== DEFAULTS[key]);
  return `#${new URLSearchParams(chosen.map((key) => [key, String(wanted[key])]))}`;
}

// Changes what is looked at, tells everybody, and puts it into the address: a new step back, or, where
// `quietly` (a place chosen by keys), instead of the last one.
export function change(changes, { quietly = false } = {}) {
  const to = address(changes);
  const before = state;
  state = { ...state, ...Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, String(value)])) };
  try {
    if (quietly) history.replaceState(null, "", to);
    else if (to !== location.hash) history.pushState(null, "", to);
  } catch {
    // A page in a frame without an address of its own has no history either.
  }
  tell(before);
}

// Calls `work(now, before)` after every change.
export function onChange(work) {
  listeners.add(work);
}

function tell(before) {
  for (const work of listeners) work(state, before);
}

function follow() {
  // The page's own places keep what is looked at.
  if (location.hash.length > 1 && !location.hash.includes("=")) return;
  const before = state;
  state = read();
  tell(before);
}

// In a notebook's frame a link to an anchor would load the surrounding page into the frame.
function followHere(event) {
  const link = event.target.closest('a[href^="#"]');
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  const text = link.getAttribute("href").slice(1);
  if (!text.includes("=")) {
    const place = document.getElementById(text);
    place?.scrollIntoView();
    place?.focus({ preventScroll: true });
    return;
  }
  const before = state;
  state = read(text);
  tell(before);
}
if (location.protocol === "about:") addEventListener("click", followHere);
addEventListener("popstate", follow);
addEventListener("hashchange", follow);
