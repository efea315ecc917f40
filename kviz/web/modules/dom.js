// Small things that every pane needs: elements, and values as people read them.

export const $ = (id) => document.getElementById(id);

export const clip = (value) => Math.min(255, Math.max(0, value));

// Returns values as people read them: four digits, no trailing noise.
export function said(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "not finite";
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

export function option(select, value, text) {
  select.append(element("option", { value, textContent: text }));
}
