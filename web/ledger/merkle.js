// The Merkle tree of RFC 6962, section 2.1, and its proofs as RFC 9162, sections 2.1.3.2 and
// 2.1.4.2, verify them. A hash is a Uint8Array of 32 bytes; indexes are below 2^53.
import { Fault, concat, equal } from "./bytes.js";

export const TILE_WIDTH = 256;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function leafHash(entry) {
  return sha256(concat(LEAF, entry));
}

export function nodeHash(left, right) {
  return sha256(concat(NODE, left, right));
}

// Numbers go beyond 32 bits, so bits are read by division.
const half = (n) => Math.floor(n / 2);
const isOdd = (n) => n % 2 === 1;

function checkHashes(hashes) {
  for (const hash of hashes) {
    if (hash.length !== 32) throw new Fault(`a hash has ${hash.length} bytes and not 32`);
  }
}

// Fault: the leaf is not the index-th of the tree with that size and root.
export async function verifyInclusion({ index, size, leaf, root }, path) {
  checkHashes([leaf, root, ...path]);
  if (index >= size) throw new Fault(`index ${index} is not in a tree of ${size}`);
  let [at, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) throw new Fault("the inclusion proof is too long");
    if (isOdd(at) || at === last) {
      hash = await nodeHash(sibling, hash);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  if (last !== 0) throw new Fault("the inclusion proof is too short");
  if (!equal(hash, root)) throw new Fault("the inclusion proof does not lead to the root");
}

// Fault: the old tree is not the beginning of the new one. An old size of 0 proves nothing.
export async function verifyConsistency({ oldSize, size, oldRoot, root }, path) {
  checkHashes([oldRoot, root, ...path]);
  if (oldSize === 0) throw new Fault("a consistency proof from size 0 proves nothing");
  if (oldSize > size) throw new Fault(`size ${oldSize} is larger than ${size}`);
  if (oldSize === size) {
    if (path.length !== 0) throw new Fault("the consistency proof is too long");
    if (!equal(oldRoot, root)) throw new Fault(`there are two roots for size ${size}`);
    return;
  }
  let [at, last] = [oldSize - 1, size - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  const rest = at === 0 ? [oldRoot, ...path] : [...path];
  if (rest.length === 0) throw new Fault("the consistency proof is too short");
  let old = rest.shift();
  let now = old;
  for (const sibling of rest) {
    if (last === 0) throw new Fault("the consistency proof is too long");
    if (isOdd(at) || at === last) {
      [old, now] = [await nodeHash(sibling, old), await nodeHash(sibling, now)];
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      now = await nodeHash(now, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  if (last !== 0) throw new Fault("the consistency proof is too short");
  if (!equal(old, oldRoot)) throw new Fault("the proof does not lead to the older root");
  if (!equal(now, root)) throw new Fault("the proof does not lead to the newer root");
}

// tile/<level>/<N>[.p/<W>] as C2SP tlog-tiles writes it; `level` may be "entries".
export function tilePath(level, index, width) {
  let name = String(index % 1000).padStart(3, "0");
  for (let n = Math.floor(index / 1000); n > 0; n = Math.floor(n / 1000)) {
    name = `x${String(n % 1000).padStart(3, "0")}/${name}`;
  }
  return `tile/${level}/${name}${width < TILE_WIDTH ? `.p/${width}` : ""}`;
}

// How many entries or hashes tile `index` of a tree of `size` has at `level`.
export function tileWidth(level, index, size) {
  const count = Math.floor(size / TILE_WIDTH ** level);
  return Math.min(TILE_WIDTH, Math.max(0, count - index * TILE_WIDTH));
}

async function pairUp(hashes) {
  while (hashes.length > 1) {
    const pairs = [];
    for (let i = 0; i < hashes.length; i += 2) pairs.push(nodeHash(hashes[i], hashes[i + 1]));
    hashes = await Promise.all(pairs);
  }
  return hashes[0];
}

// The tree of `size` leaves whose tiles `read(level, index, width)` gives as lists of hashes. What
// it makes of them is to be compared with a signed root.
export class TileTree {
  constructor(size, read) {
    this.size = size;
    this.read = read;
    this.tiles = new Map();
  }

  async tile(level, index) {
    const key = `${level}/${index}`;
    if (!this.tiles.has(key)) {
      const width = tileWidth(level, index, this.size);
      this.tiles.set(key, this.read(level, index, width));
    }
    return this.tiles.get(key);
  }

  // Of the complete subtree with 2^height leaves that starts at leaf index * 2^height.
  async node(height, index) {
    const level = Math.floor(height / 8);
    const n = 2 ** (height % 8);
    const tile = await this.tile(level, Math.floor((index * n) / TILE_WIDTH));
    const first = (index * n) % TILE_WIDTH;
    return pairUp(tile.slice(first, first + n));
  }

  // MTH of the leaves [first, end); `first` is a multiple of the largest power of two below n.
  async range(first, end) {
    const n = end - first;
    let height = 0;
    while (2 ** (height + 1) <= n) ++height;
    if (2 ** height === n) return this.node(height, first / n);
    const middle = first + 2 ** height;
    return nodeHash(await this.range(first, middle), await this.range(middle, end));
  }

  root() {
    return this.size === 0 ? sha256(new Uint8Array()) : this.range(0, this.size);
  }

  // Each full tile's root is the hash that the level above has for it.
  async checkTile(level, index) {
    const tile = await this.tile(level, index);
    if (tile.length < TILE_WIDTH) return;
    const above = await this.tile(level + 1, Math.floor(index / TILE_WIDTH));
    if (!equal(await pairUp(tile), above[index % TILE_WIDTH])) {
      throw new Fault(`${tilePath(level, index, TILE_WIDTH)} differs from the tile above it`);
    }
  }

  async inclusionPath(index) {
    const path = [];
    let [first, end] = [0, this.size];
    while (end - first > 1) {
      let k = 1;
      while (k * 2 < end - first) k *= 2;
      const middle = first + k;
      const other = index < middle ? [middle, end] : [first, middle];
      path.unshift(await this.range(...other));
      [first, end] = index < middle ? [first, middle] : [middle, end];
    }
    return path;
  }

  async consistencyPath(oldSize) {
    const path = [];
    let [first, end, isWhole] = [0, this.size, true];
    while (oldSize < end) {
      let k = 1;
      while (k * 2 < end - first) k *= 2;
      const middle = first + k;
      if (oldSize <= middle) {
        path.unshift(await this.range(middle, end));
        end = middle;
      } else {
        path.unshift(await this.range(first, middle));
        [first, isWhole] = [middle, false];
      }
    }
    return isWhole ? path : [await this.range(first, end), ...path];
  }
}
