// Bytes and texts of the C2SP formats, read strictly: one spelling for each value.

// What foreign bytes got wrong, in one sentence.
export class Fault extends Error {}

const encoder = new TextEncoder();

export function toBytes(text) {
  return encoder.encode(text);
}

// UTF-8 with LF line ends and no other byte below 0x20.
export function toText(bytes, what) {
  for (const byte of bytes) {
    if (byte < 0x20 && byte !== 0x0a) throw new Fault(`${what} holds the byte ${byte}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Fault(`${what} is not UTF-8`);
  }
}

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equal(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text, what) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Fault(`${what} is not lowercase hexadecimal`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toBase64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

// RFC 4648, section 4, with padding; a second spelling of the same bytes is refused.
export function fromBase64(text, what) {
  let decoded;
  try {
    decoded = atob(text);
  } catch {
    throw new Fault(`${what} is not base64`);
  }
  const bytes = Uint8Array.from(decoded, (letter) => letter.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new Fault(`${what} is not canonical base64`);
  return bytes;
}

export function fromHash(text, what) {
  const bytes = fromBase64(text, what);
  if (bytes.length !== 32) throw new Fault(`${what} has ${bytes.length} bytes and not 32`);
  return bytes;
}

// No sign, no leading zero. The formats go to 2^63 - 1; a browser counts exactly to 2^53 - 1.
export function fromDecimal(text, what) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) throw new Fault(`${what} is no decimal number`);
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Fault(`${what} is too large for a browser`);
  return value;
}

export function fromU64(bytes, what) {
  const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Fault(`${what} is too large`);
  return Number(value);
}
