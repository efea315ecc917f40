// Where the evidence lies, as a table of thirds of the photo: for those who cannot see a map.

import { element, said } from "./dom.js";
import { isZero, kindOf, nothingIn, scoreOf, titleOf } from "./evidence.js";

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

// Returns how two classes differ, by one method: their scores, where the evidence for each lies, and where
// the tables differ most; "" of anything else.
export function differenceWords([left, right]) {
  if (!right || left.one !== right.one) return "";
  const { one } = left;
  const [name, other] = [left, right].map(({ which }) => one.classes[which].name);
  const margin = one.scores[left.which] - one.scores[right.which];
  const size = said(Number(Math.abs(margin).toPrecision(3)));
  const by = margin === 0 ? "level with" : `${size} ${margin < 0 ? "behind" : "ahead of"}`;
  const [own, others] = [left, right].map(({ which }) => scoreOf(one, which));
  // Other scores than a class's own logit are of something else for each, as a difference from others.
  const words = [one.score_name === "logit"
    ? `${name}, ${own}, is ${by} ${other}, ${others}.` : `${name}: ${own}. ${other}: ${others}.`];
  words.push(...[left, right].map(({ which }) => nothingIn(one, which) || whereFor(one, which)));
  if (![left, right].some(({ which }) => isZero(one, which))) words.push(mostDifferent(one, left.which, right.which));
  return words.filter(Boolean).join(" ");
}

function whereFor(one, which) {
  const where = one.where?.[which];
  return where ? `The ${kindOf(one)} for ${one.classes[which].name} lies ${where}.` : "";
}

// Returns in which of the nine parts the shares of two maps are furthest apart.
function mostDifferent(one, left, right) {
  const [own, others] = [left, right].map((which) => one.regions?.[which]?.for.flat());
  if (!own || !others) return "";
  const apart = own.map((share, at) => Math.abs(share - others[at]));
  const at = apart.indexOf(Math.max(...apart));
  // Of rounded shares: 13.4 % and 13.6 % stand there as 13 % and 14 %.
  if (apart[at] < 0.01) return "Their tables differ by about one percentage point at most.";
  const [name, other] = [left, right].map((which) => one.classes[which].name);
  return `They differ most in the ${regionName(Math.floor(at / 3), at % 3)}: ` +
    `${percent(own[at])} of the map for ${name}, ${percent(others[at])} of that for ${other}.`;
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
