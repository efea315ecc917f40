// Where the evidence lies, as a table of thirds of the photo: for those who cannot see a map.

import { element } from "./dom.js";
import { isZero, kindOf, titleOf } from "./evidence.js";

const ROWS = ["upper", "centre", "lower"];
const COLUMNS = ["left", "centre", "right"];
const regionName = (row, column) =>
  row === 1 && column === 1 ? "centre" : `${ROWS[row]} ${COLUMNS[column]}`;

const percent = (share) => {
  const rounded = Math.round(100 * share);
  return rounded === 0 && share > 0 ? "<\u00a01\u00a0%" : `${rounded}\u00a0%`;
};

// Returns a map's table as an element, none where its regions were not told.
export function regionsTable(one, which) {
  const regions = one?.regions?.[which];
  if (!regions || isZero(one, which)) return [];
  const { name } = one.classes[which];
  const against = regions.against.flat().some((share) => share > 0);
  const head = element("tr", {}, element("td"), ...COLUMNS.map((textContent) =>
    element("th", { scope: "col", textContent })));
  const rows = ROWS.map((textContent, row) => element("tr", {},
    element("th", { scope: "row", textContent }),
    ...COLUMNS.map((_, column) => cell(regions, row, column, against))));
  return [element("table", { className: "regions" },
    element("caption", {}, ...caption(one, name, against)),
    element("thead", {}, head),
    element("tbody", {}, ...rows))];
}

function caption(one, name, against) {
  const shares = against ? "shares for it, and below against it, of the sum of all sizes" : "shares of the sum of the map";
  return [`${titleOf(one)}: where the ${kindOf(one)} for `, element("bdi", { textContent: name }), ` lies, by thirds of the photo; ${shares}`];
}

function cell(regions, row, column, against) {
  const share = regions.for[row][column];
  const made = element("td", { textContent: percent(share), title: regionName(row, column) });
  // Words say it; the shade helps those who look.
  made.style.setProperty("--share", `${Math.min(100, Math.round(100 * share))}%`);
  if (against) {
    made.append(element("small", { textContent: `against ${percent(regions.against[row][column])}` }));
  }
  return made;
}
