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
  startBench();
  startWebcam();
  startChannel();
  startCompare();
  startDreams();
  startSaving();
  startMethods();
  onPhoto(() => {
    redrawWhy();
    redrawInside();
  });
  await startPhotos();
}
