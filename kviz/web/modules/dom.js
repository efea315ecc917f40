// Small things that every pane needs: elements, and values as people read them.

export const $ = (id) => document.getElementById(id);

export const clip = (value) => Math.min(255, Math.max(0, value));

// Returns values as people read them: four digits, no trailing noise, powers of ten where zeros would be
// counted, and a minus that is no hyphen. The page's templates write them in the same way.
export function said(value) {
  if (!Number.isFinite(value)) return "not finite";
  const rounded = Number(value.toPrecision(4));
  const size = Math.abs(rounded);
  const isFar = size > 0 && (size < 1e-4 || size >= 1e6);
  return (isFar ? rounded.toExponential() : String(rounded)).replace("e+", "e").replaceAll("-", "\u2212");
}

// Returns a new element with properties, attributes under `attributes`, and children or text.
export function element(kind, { attributes = {}, dataset = {}, ...properties } = {}, ...children) {
  const made = document.createElement(kind);
  Object.assign(made, properties);
  Object.assign(made.dataset, dataset);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

// Returns a new element of a drawing with attributes, and children or text.
export function svg(kind, attributes, ...children) {
  const made = document.createElementNS(SVG, kind);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

export function option(select, value, text) {
  select.append(element("option", { value, textContent: text }));
}
