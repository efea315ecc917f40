// The page: panes are started one after another; what a browser cannot do is said in place.

import { loadPalettes } from "./colours.js";
import { $, element } from "./dom.js";
import { startInside } from "./inside.js";
import { startLive } from "./live/live.js";
import { connect } from "./live/server.js";
import { startProvenance } from "./provenance.js";
import { isLive } from "./source.js";
import { startWhy } from "./why.js";

async function start() {
  document.documentElement.classList.add("script");
  await loadPalettes();
  if (isLive) connect();
  startProvenance();
  await Promise.all([startWhy(), startInside()]);
  if (isLive) await startLive();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  const textContent = `This browser cannot draw the maps of this page: ${error.message}`;
  $("main").prepend(element("p", { className: "note", textContent }));
});
