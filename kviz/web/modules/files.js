// Raw values as files: CSV, and npz as NumPy reads it (a ZIP archive of .npy files, stored).

export function save(name, parts, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Returns a name with letters of any script, and nothing that a file system or NumPy takes for more.
export const plainName = (text, length = 60) =>
  text.replace(/[^\p{L}\p{N}_.-]+/gu, "-").slice(0, length) || "map";

// Returns a map as text: a line of headers, and each row begins with its number.
export function csv(values, height, width) {
  const header = ["row", ...Array.from({ length: width }, (_, column) => `column ${column}`)];
  const rows = Array.from({ length: height }, (_, row) =>
    [row, ...values.subarray(row * width, (row + 1) * width)]);
  return [header, ...rows].map((row) => `${row.join(",")}\n`).join("");
}

// Returns a float32 array as a .npy file.
export function npy(values, shape) {
  const bytes = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, at) => bytes.setFloat32(4 * at, value, true));
  return npyOf("<f4", shape, bytes);
}

// Returns rows of texts, as many in each, as a .npy file.
export function npyText(rows) {
  const texts = rows.flat().map((text) => Array.from(text, (sign) => sign.codePointAt(0)));
  const longest = Math.max(1, ...texts.map(({ length }) => length));
  const bytes = new DataView(new ArrayBuffer(4 * longest * texts.length));
  texts.forEach((signs, at) => signs.forEach((sign, place) => bytes.setUint32(4 * (at * longest + place), sign, true)));
  return npyOf(`<U${longest}`, [rows.length, rows[0].length], bytes);
}

// The format's version 1.0.
function npyOf(kind, shape, data) {
  const size = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  let header = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${size}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  for (let at = 0; at < header.length; at++) bytes[10 + at] = header.charCodeAt(at);
  bytes.set(new Uint8Array(data.buffer), 10 + header.length);
  return bytes;
}

const crcs = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = crcs[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Returns the parts of a ZIP archive of [name, bytes] pairs, nothing compressed.
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const label = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const common = [
      [2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33],
      [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, label.length], [2, 0],
    ];
    const local = little([[4, 0x04034b50], ...common]);
    parts.push(local, label, bytes);
    directory.push(
      little([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]),
      label,
    );
    offset += local.length + label.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const count = files.length;
  const end = [[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]];
  return [...parts, ...directory, little(end)];
}

function little(fields) {
  const bytes = [];
  for (const [size, value] of fields) {
    for (let at = 0; at < size; at++) bytes.push((value >>> (8 * at)) & 255);
  }
  return Uint8Array.from(bytes);
}
