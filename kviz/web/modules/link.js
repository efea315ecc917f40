// The way to the one who computes: asks go out with a number, answers come back under it.

import { decode, encode, gathered } from "./frames.js";

// Asks go through a WebSocket, which is opened again when it was lost, or, in a notebook, to the page around.
export class Link {
  constructor(transport) {
    this.waiting = new Map();
    this.count = 0;
    this.transport = transport;
    transport.receive = (message) => this.receive(message);
    // What was lost on the way is asked again: what was computed meanwhile is answered at once.
    transport.opened = () => this.waiting.forEach((each) => transport.send(each.head, each.arrays));
  }

  // Returns a promise of {head, arrays}; `onProgress` is told of steps, `signal` cancels.
  ask(name, options = {}, { arrays = {}, onProgress, signal } = {}) {
    const head = { ...options, id: ++this.count, ask: name };
    return new Promise((resolve, reject) => {
      this.waiting.set(head.id, { head, arrays, onProgress, resolve, reject });
      signal?.addEventListener("abort", () => this.cancel(head.id), { once: true });
      this.transport.send(head, arrays);
    });
  }

  cancel(id) {
    if (!this.waiting.has(id)) return;
    this.transport.send({ id: ++this.count, ask: "cancel", of: id }, {});
  }

  receive({ head, arrays }) {
    const each = this.waiting.get(head.id);
    if (!each) return;
    if (head.progress) {
      each.onProgress?.(head, arrays);
      return;
    }
    this.waiting.delete(head.id);
    if (head.error) each.reject(new AskError(head.error, head.code));
    else if (head.dropped || head.cancelled) each.reject(new AskError("", "over"));
    else each.resolve({ head, arrays });
  }
}

// What was asked for and is not to be had. Its code "over" means that nobody waits for it any more.
class AskError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export class Socket {
  constructor(url, onState) {
    Object.assign(this, { url, onState, wait: 500 });
    this.open();
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => {
      Object.assign(this, { wait: 500, wasOpen: true });
      this.onState("open");
      this.opened();
    });
    this.socket.addEventListener("message", ({ data }) => this.receive(decode(data)));
    this.socket.addEventListener("close", () => {
      this.onState(this.wasOpen ? "closed" : "refused");
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(2 * this.wait, 10000);
    });
  }

  // Before it is open nothing goes out: all that waits is sent then.
  send(head, arrays) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(encode(head, arrays));
  }
}

// The page around this one's frame in a notebook, which hands messages on to the kernel.
export class Parent {
  constructor(onState) {
    addEventListener("message", ({ source, data }) => {
      if (source !== parent || !data?.kviz) return;
      if (data.kviz === "ended") onState("ended");
      else this.receive(gathered(data.kviz, data.buffers));
    });
  }

  send(head, arrays) {
    const given = Object.entries(arrays);
    const entries = given.map(([name, { data, shape }]) => ({ name, shape, dtype: data.constructor.name.replace("Array", "").toLowerCase() }));
    const buffers = given.map(([, { data }]) => data.slice().buffer);
    parent.postMessage({ kviz: { ...head, arrays: entries }, buffers }, "*");
  }
}
