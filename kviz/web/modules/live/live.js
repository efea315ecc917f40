// The app: what it adds to the page.

import { startBench } from "./bench.js";
import { startChannel } from "./channel.js";
import { startCompare } from "./compare.js";
import { startDreams } from "./dreams.js";
import { startMethods } from "./methods.js";
import { onPhoto, startPhotos } from "./photos.js";
import { startSaving } from "./saving.js";
import { startTrouble } from "./trouble.js";
import { redrawInside } from "../inside.js";
import { redrawWhy } from "../why.js";
import { startWebcam } from "./webcam.js";

export async function startLive() {
  startTrouble();
  // What is asked of the model is asked before anything is drawn.
  startMethods();
  onPhoto((_, __, moved) => {
    // Where the address has changed, the panes have followed it.
    if (moved) return;
    redrawInside();
    redrawWhy();
  });
  startBench();
  startWebcam();
  startChannel();
  startCompare();
  startDreams();
  startSaving();
  await startPhotos();
}
