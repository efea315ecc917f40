// The page in a notebook: in a frame of its own, whose messages go to the kernel and back.

// Returns whether an element stands on dark ground, whichever notebook it is in.
function isOnDark(element) {
  const grounds = [];
  for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
    grounds.unshift(getComputedStyle(at).backgroundColor);
  }
  // Painted over one another on one pixel, whatever form they are written in.
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  for (const ground of ["white", ...grounds]) {
    context.fillStyle = ground;
    context.fillRect(0, 0, 1, 1);
  }
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return 0.3 * red + 0.6 * green + 0.1 * blue < 128;
}

// A cell that is shown twice has two pages, and both hear all answers, so each numbers its asks from a start of
// its own. Whole numbers up to 2 ** 53 are exact.
const ASKS = 2 ** 20;
const someStart = () => crypto.getRandomValues(new Uint32Array(1))[0] * ASKS;

export default {
  render({ model, el }) {
    const start = someStart();
    const numbered = ({ id, of, ...head }) => ({ ...head, id: id + start, ...(of !== undefined && { of: of + start }) });
    const frame = document.createElement("iframe");
    frame.title = "kviz";
    frame.sandbox = "allow-scripts allow-downloads";
    Object.assign(frame.style, { width: "100%", height: `${model.get("height")}px`, border: "0" });
    frame.srcdoc = model.get("page");
    const tell = (kviz, buffers = []) => frame.contentWindow?.postMessage({ kviz, buffers }, "*");
    const up = async ({ source, data }) => {
      if (source !== frame.contentWindow || !data?.kviz) return;
      try {
        await model.send(numbered(data.kviz), undefined, data.buffers);
      } catch {
        tell("ended");
      }
    };
    const down = ({ id, ...head }, views) => {
      if (id < start || id >= start + ASKS) return;
      const buffers = views.map((view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
      tell({ ...head, id: id - start }, buffers);
    };
    // The page is light or dark as the notebook around it is.
    const follow = () => { frame.style.colorScheme = isOnDark(el) ? "dark" : "light"; };
    const themes = new MutationObserver(() => requestAnimationFrame(follow));
    [document.documentElement, document.body].forEach((one) => themes.observe(one, { attributes: true }));
    addEventListener("message", up);
    model.on("msg:custom", down);
    el.append(frame);
    // Once it is where it will stand.
    requestAnimationFrame(follow);
    return () => {
      themes.disconnect();
      removeEventListener("message", up);
      model.off("msg:custom", down);
    };
  },
};
