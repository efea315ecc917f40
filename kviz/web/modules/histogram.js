// The values of a layer's channels as a histogram: counted from the codes, drawn as SVG.

import { said, svg } from "./dom.js";
import { valueOf } from "./maps.js";

const BINS = 40;
const [WIDTH, HEIGHT] = [400, 100];

// Returns how many values fall between the layer's lowest and highest, in equal bins, zeros apart.
function counted(maps) {
  const size = maps.height * maps.width;
  const low = Math.min(...maps.low);
  const high = Math.max(...maps.high);
  const bins = new Array(BINS).fill(0);
  let zeros = 0;
  const codes = new Uint32Array(256);
  for (let channel = 0; channel < maps.count; channel++) {
    codes.fill(0);
    for (let at = channel * size; at < (channel + 1) * size; at++) codes[maps.codes[at]]++;
    for (let code = 0; code < 256; code++) {
      if (!codes[code]) continue;
      const value = valueOf(maps, channel, code);
      if (value === 0) zeros += codes[code];
      else bins[Math.min(BINS - 1, Math.floor(((value - low) / (high - low || 1)) * BINS))] += codes[code];
    }
  }
  return { bins, zeros, low, high, total: size * maps.count };
}

// Draws it into an element, and returns what it shows in words.
export function drawHistogram(into, maps) {
  const { bins, zeros, low, high, total } = counted(maps);
  const most = Math.max(1, ...bins);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: "img", class: "histogram" });
  bins.forEach((count, at) => {
    const tall = (count / most) * HEIGHT;
    const x = (at * WIDTH) / BINS;
    chart.append(svg("rect", { x: x + 0.5, y: HEIGHT - tall, width: WIDTH / BINS - 1, height: tall, class: "fill" }));
  });
  chart.append(svg("path", { d: `M0 ${HEIGHT + 0.5}H${WIDTH}`, class: "axis" }));
  const tick = (value, x, anchor) =>
    chart.append(svg("text", { x, y: HEIGHT + 14, "text-anchor": anchor, class: "tick" }, said(value)));
  tick(low, 0, "start");
  tick(high, WIDTH, "end");
  const zero = ((0 - low) / (high - low || 1)) * WIDTH;
  // Where zero is not at an end, and its number does not run into theirs.
  if (zero > 60 && zero < WIDTH - 60) {
    chart.append(svg("path", { d: `M${zero} 0V${HEIGHT}`, class: "axis zero" }));
    tick(0, zero, "middle");
  }
  const fullest = bins.indexOf(most);
  const step = (high - low) / BINS;
  const percent = (count) => `${((100 * count) / total).toFixed(count / total < 0.0995 ? 1 : 0)} %`;
  const words = [
    `From ${said(low)} to ${said(high)}.`,
    zeros ? `${percent(zeros)} of the values are zero and not in the bars.` : "",
    bins[fullest] ? `The tallest bar holds ${percent(most)} of all, from ${said(low + fullest * step)} to ${said(low + (fullest + 1) * step)}.` : "",
  ].filter(Boolean).join(" ");
  chart.setAttribute("aria-label", `Histogram of the values of all channels. ${words}`);
  into.replaceChildren(chart);
  return words;
}
