// The webcam: while the model answers for a frame others pass by, and the latest is asked about next.

import { $ } from "../dom.js";
import { link } from "./server.js";
import { brushOf, pixelsOf, showCard } from "./bench.js";
import { add } from "./photos.js";
import { trouble } from "./trouble.js";

const SIDE = 480;
const camera = { video: null, canvas: null };

async function open() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640 } });
  camera.video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
  camera.canvas = $("view-canvas");
  await camera.video.play();
  $("desk").hidden = false;
  $("crop").hidden = true;
  $("view-words").textContent = "The webcam, as the model is given it, frame by frame.";
  $("webcam").textContent = "Stop the webcam";
  $("freeze").hidden = false;
  frames();
}

function close() {
  camera.video?.srcObject.getTracks().forEach((track) => track.stop());
  camera.video = null;
  $("webcam").textContent = "Webcam";
  $("freeze").hidden = true;
}

function grab() {
  const { videoWidth, videoHeight } = camera.video;
  const times = Math.min(1, SIDE / Math.max(videoWidth, videoHeight));
  camera.canvas.width = Math.round(videoWidth * times);
  camera.canvas.height = Math.round(videoHeight * times);
  brushOf(camera.canvas).drawImage(camera.video, 0, 0, camera.canvas.width, camera.canvas.height);
  return pixelsOf(camera.canvas);
}

async function frames() {
  while (camera.video) {
    try {
      const { arrays } = await link.ask("photo", { name: "webcam", transient: true }, { arrays: grab() });
      if (camera.video) showCard(arrays);
    } catch (error) {
      trouble(error);
      if (error.code !== "over") close();
    }
  }
}

export function startWebcam() {
  const button = $("webcam");
  button.hidden = !navigator.mediaDevices?.getUserMedia || parent !== window;
  button.addEventListener("click", () => {
    if (camera.video) close();
    else open().catch((error) => trouble(Object.assign(error, { code: "option", message: `The webcam cannot be used: ${error.message}` })));
  });
  $("freeze").addEventListener("click", () => {
    const arrays = grab();
    close();
    add({ name: "webcam" }, arrays);
  });
}
