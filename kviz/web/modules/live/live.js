// The app: what it adds to the page.

import { startBench } from "./bench.js";
import { startChannel } from "./channel.js";
import { startCompare } from "./compare.js";
import { startDreams } from "./dreams.js";
import { startPhotos } from "./photos.js";
import { startSaving } from "./saving.js";
import { startWebcam } from "./webcam.js";

export async function startLive() {
  startBench();
  startWebcam();
  startChannel();
  startCompare();
  startDreams();
  startSaving();
  await startPhotos();
}
