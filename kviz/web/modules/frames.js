// A message as bytes: a JSON head, and arrays behind it, each at a multiple of eight.

const KINDS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array,
};
const kindOf = (array) => Object.keys(KINDS).find((kind) => array instanceof KINDS[kind]);
const padded = (length) => Math.ceil(length / 8) * 8;

// Returns a head and arrays ({name: {data, shape}}) as an ArrayBuffer.
export function encode(head, arrays = {}) {
  let offset = 0;
  const entries = Object.entries(arrays).map(([name, { data, shape }]) => {
    const entry = { name, dtype: kindOf(data), shape, offset };
    offset += padded(data.byteLength);
    return entry;
  });
  const text = new TextEncoder().encode(JSON.stringify({ ...head, arrays: entries }));
  const begin = padded(4 + text.length);
  const bytes = new Uint8Array(begin + offset);
  new DataView(bytes.buffer).setUint32(0, begin - 4, true);
  bytes.fill(0x20, 4, begin);
  bytes.set(text, 4);
  entries.forEach(({ name, offset: at }) => {
    const { data } = arrays[name];
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), begin + at);
  });
  return bytes.buffer;
}

// Returns a frame's head and its arrays by name: typed arrays that know their `shape`.
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const { name, dtype, shape, offset } of head.arrays) {
    arrays[name] = typed(buffer, dtype, shape, 4 + length + offset);
  }
  return { head, arrays };
}

// Returns arrays that came apart from their head, as a notebook sends them.
export function gathered(head, buffers) {
  const arrays = {};
  head.arrays.forEach(({ name, dtype, shape }, at) => {
    arrays[name] = typed(buffers[at], dtype, shape, 0);
  });
  return { head, arrays };
}

function typed(buffer, dtype, shape, offset) {
  const count = shape.reduce((product, size) => product * size, 1);
  return Object.assign(new KINDS[dtype](buffer, offset, count), { shape });
}
