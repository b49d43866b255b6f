// Signed notes, verifier keys, checkpoints and cosignatures: C2SP signed-note, tlog-checkpoint and
// tlog-cosignature, with the rules of docs/ledger.md, section 2.
import {
  Fault, concat, fromBase64, fromDecimal, fromHash, fromU64, toBase64, toBytes, toHex, toText,
} from "./bytes.js";
import { sha256 } from "./merkle.js";

export const NOTE_LIMIT = 512 << 10;
const LINE_LIMIT = 100;
export const LOG_KEY = 0x01;
export const WITNESS_KEY = 0x04;
const ML_DSA_KEY = 0x06; // parsed only
const KEY_BYTES = { [LOG_KEY]: 32, [WITNESS_KEY]: 32, [ML_DSA_KEY]: 1312 };
const MAX_SKEW_S = 300;

// RFC 8032, section 7.1, test 1: what an Ed25519 must say yes to, and its change no to.
const TEST_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const TEST_SIGNATURE =
  "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==";

export async function verifyEd25519(key, message, signature) {
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, message);
}

// Whether this browser checks Ed25519 signatures; found out by trying.
export async function hasEd25519() {
  const [key, good] = [fromBase64(TEST_KEY, "key"), fromBase64(TEST_SIGNATURE, "signature")];
  const bad = Uint8Array.from(good);
  bad[0] ^= 1;
  try {
    const nothing = new Uint8Array();
    return (await verifyEd25519(key, nothing, good)) && !(await verifyEd25519(key, nothing, bad));
  } catch {
    return false;
  }
}

// y of the points of small order, sign bit off; under such a key forged signatures pass.
const SMALL_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  `ec${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

export function checkPublicKey(key, what) {
  if (key.length !== 32) throw new Fault(`${what} has ${key.length} bytes and not 32`);
  const y = Uint8Array.from(key);
  y[31] &= 0x7f;
  const isAboveField = y[31] === 0x7f && y[0] >= 0xed && y.subarray(1, 31).every((b) => b === 0xff);
  if (isAboveField || SMALL_ORDER.includes(toHex(y))) {
    throw new Fault(`${what} is of small order or in a second encoding`);
  }
}

function checkName(name, what) {
  if (name === "" || /[\s+\u0085]/u.test(name)) throw new Fault(`${what} has no proper key name`);
}

// name+hex8(key id)+base64(type || key). Fault: another form, or an id of other bytes.
export async function parseVkey(text) {
  const what = "the verifier key";
  const parts = /^([^+]*)\+([0-9a-f]{8})\+(.+)$/su.exec(text);
  if (!parts) throw new Fault(`${what} has not the form name+id+key`);
  const [, name, id, encoded] = parts;
  checkName(name, what);
  const typed = fromBase64(encoded, what);
  const hash = await sha256(concat(toBytes(`${name}\n`), typed));
  if (toHex(hash.subarray(0, 4)) !== id) throw new Fault(`${what} of ${name} has another id`);
  const [type, key] = [typed[0], typed.subarray(1)];
  if (KEY_BYTES[type] !== key.length) throw new Fault(`${what} of ${name} is of an unknown kind`);
  if (type !== ML_DSA_KEY) checkPublicKey(key, `${what} of ${name}`);
  return { text, name, id, type, key };
}

// { text, lines: [{ line, name, id, signature }] }
export function parseNote(bytes, what = "the signed note") {
  if (bytes.length > NOTE_LIMIT) throw new Fault(`${what} has more than ${NOTE_LIMIT} bytes`);
  const note = toText(bytes, what);
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Fault(`${what} has no signature lines`);
  const rows = note.slice(split + 2, -1).split("\n");
  if (rows.length > LINE_LIMIT) throw new Fault(`${what} has more than ${LINE_LIMIT} signatures`);
  const lines = rows.map((line) => {
    const parts = /^\u2014 ([^ ]+) ([^ ]+)$/u.exec(line);
    if (!parts) throw new Fault(`${what} has a line that is no signature`);
    checkName(parts[1], what);
    const blob = fromBase64(parts[2], "a signature line");
    if (blob.length < 5) throw new Fault("a signature line is too short");
    return { line, name: parts[1], id: toHex(blob.subarray(0, 4)), signature: blob.subarray(4) };
  });
  return { text: note.slice(0, split + 1), lines };
}

// The line of this key; null: there is none. Fault: two of them.
export function lineOf(note, vkey) {
  const found = note.lines.filter((line) => line.name === vkey.name && line.id === vkey.id);
  if (found.length > 1) throw new Fault(`there are two signatures of ${vkey.name}`);
  return found[0] ?? null;
}

// Origin, size and root of a note's text: three lines and nothing else.
export function parseCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] !== "" || lines[0] === "") {
    throw new Fault("the checkpoint has not three lines");
  }
  const [origin, size, root] = lines;
  return {
    origin, size: fromDecimal(size, "the checkpoint's size"), root: fromHash(root, "the root"),
  };
}

// Fault: the log's key did not sign this note.
export async function verifyLogLine(note, vkey) {
  if (vkey.type !== LOG_KEY) throw new Fault(`${vkey.name} is no key of a log`);
  const line = lineOf(note, vkey);
  if (!line) throw new Fault(`the checkpoint is not signed by the log's key ${vkey.name}`);
  if (line.signature.length !== 64 ||
      !(await verifyEd25519(vkey.key, toBytes(note.text), line.signature))) {
    throw new Fault(`the log's signature (${vkey.name}) does not verify`);
  }
}

// The time of a witness's cosignature in seconds; null: it has none.
// Fault: there are two, or it does not verify, or it is of the future.
export async function verifyCosignature(note, vkey, nowS) {
  if (vkey.type !== WITNESS_KEY) throw new Fault(`${vkey.name} is no key of a witness`);
  const line = lineOf(note, vkey);
  if (!line) return null;
  if (line.signature.length !== 72) throw new Fault(`the cosignature of ${vkey.name} is cut`);
  const timeS = fromU64(line.signature, "the time of a cosignature");
  const message = `cosignature/v1\ntime ${timeS}\n${note.text}`;
  const signature = line.signature.subarray(8);
  if (timeS === 0 || !(await verifyEd25519(vkey.key, toBytes(message), signature))) {
    throw new Fault(`the cosignature of ${vkey.name} does not verify`);
  }
  if (timeS > nowS + MAX_SKEW_S) {
    throw new Fault(`the cosignature of ${vkey.name} is of the future`);
  }
  return timeS;
}

// c2sp.org/tlog-proof@v1 with the entry in `extra`.
export function parseProof(bytes) {
  const what = "the proof";
  if (bytes.length > NOTE_LIMIT) throw new Fault(`${what} has more than ${NOTE_LIMIT} bytes`);
  const text = toText(bytes, what);
  const split = text.indexOf("\n\n");
  const lines = text.slice(0, Math.max(split, 0)).split("\n");
  if (lines[0] !== "c2sp.org/tlog-proof@v1") throw new Fault("this is no tlog-proof");
  if (!lines[1]?.startsWith("extra ")) throw new Fault(`${what} holds no entry (extra)`);
  if (!lines[2]?.startsWith("index ")) throw new Fault(`${what} has no index`);
  if (lines.length > 3 + 63) throw new Fault(`${what} has more than 63 hashes`);
  return {
    entry: fromBase64(lines[1].slice(6), "extra"),
    index: fromDecimal(lines[2].slice(6), "the index"),
    path: lines.slice(3).map((line) => fromHash(line, "a hash of the proof")),
    note: toBytes(text.slice(split + 2)),
  };
}

export function formatProof({ entry, index, path, note }) {
  const lines = ["c2sp.org/tlog-proof@v1", `extra ${toBase64(entry)}`, `index ${index}`];
  return concat(toBytes([...lines, ...path.map(toBase64), "", ""].join("\n")), note);
}

