// The page in a notebook: in a frame of its own, whose messages go to the kernel and back.

export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.title = "kviz";
    frame.sandbox = "allow-scripts allow-downloads";
    Object.assign(frame.style, { width: "100%", height: `${model.get("height")}px`, border: "0" });
    frame.srcdoc = model.get("page");
    const up = ({ source, data }) => {
      if (source === frame.contentWindow && data?.kviz) model.send(data.kviz, undefined, data.buffers);
    };
    const down = (kviz, views) => {
      const buffers = views.map((view) =>
        view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
      frame.contentWindow?.postMessage({ kviz, buffers }, "*");
    };
    addEventListener("message", up);
    model.on("msg:custom", down);
    el.append(frame);
    return () => {
      removeEventListener("message", up);
      model.off("msg:custom", down);
    };
  },
};
