// Reads a log from a base address and checks it: checkpoint, tiles, entries, rounds, witnesses.
import { Fault, concat, equal, fromBase64, toBase64, toHex } from "./bytes.js";
import { Chains, Members, parseEntry } from "./entries.js";
import { TILE_WIDTH, TileTree, leafHash, tilePath, tileWidth, verifyConsistency, verifyInclusion,
} from "./merkle.js";
import {
  NOTE_LIMIT, formatProof, hasEd25519, parseCheckpoint, parseNote, parseProof, parseVkey,
  verifyCosignature, verifyLogLine,
} from "./note.js";
import { faultsCovered, meetsQuorum } from "./policy.js";

// Above this the first bundle and the newest ones are read, and the page says so.
export const ENTRIES_READ = 20480;
const BUNDLE_LIMIT = TILE_WIDTH * (2 + 65535);
const TIMEOUT_MS = 60000;
const FAULTS_SAID = 10;

// The file's bytes; null: there is none. Fault: too long, or the server fails.
export async function fetchBytes(url, limit) {
  const name = new URL(url).pathname;
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Fault(`${name} cannot be fetched`);
  }
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw new Fault(`${name} answered ${answer.status}`);
  const parts = [];
  let size = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...parts);
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw new Fault(`${name} has more than ${limit} bytes`);
    }
    parts.push(value);
  }
}

function splitBundle(bytes, width, path) {
  const entries = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 + (bytes[at] << 8) + bytes[at + 1];
    if (at + 2 > bytes.length || end > bytes.length) throw new Fault(`${path} is cut`);
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length < width) throw new Fault(`${path} has ${entries.length} entries of ${width}`);
  return entries.slice(0, width);
}

export class Log {
  // `base` ends in a slash. `vkey`: the log's verifier key as known; "": the genesis entry's.
  constructor(base, vkey = "") {
    this.base = base;
    this.knownVkey = vkey;
    this.checks = [];
    this.entries = [];
    this.canHash = globalThis.crypto?.subtle !== undefined;
    this.canSign = false;
    this.cosigners = new Map(); // member -> seconds
  }

  // state: good, bad, open (was not checked)
  say(id, state, text) {
    this.checks.push({ id, state, text });
  }

  get verdict() {
    if (this.checks.some((check) => check.state === "bad")) return "bad";
    if (!this.canHash) return "none";
    return this.checks.some((check) => check.state === "open") ? "part" : "good";
  }

  // A partial tile may have been followed by the full one.
  async fetchTile(level, index, width, limit) {
    const path = tilePath(level, index, width);
    const bytes = (await fetchBytes(this.base + path, limit)) ??
      (await fetchBytes(this.base + tilePath(level, index, TILE_WIDTH), limit));
    if (bytes === null) throw new Fault(`${path} is missing`);
    return bytes;
  }

  async readHashes(level, index, width) {
    const bytes = await this.fetchTile(level, index, width, 32 * TILE_WIDTH);
    if (bytes.length < 32 * width || bytes.length % 32 !== 0) {
      throw new Fault(`${tilePath(level, index, width)} has ${bytes.length} bytes`);
    }
    return Array.from({ length: width }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
  }

  async readBundle(index) {
    const width = tileWidth(0, index, this.size);
    const bytes = await this.fetchTile("entries", index, width, BUNDLE_LIMIT);
    return splitBundle(bytes, width, tilePath("entries", index, width));
  }

  // Fault: there is no log, or it does not hold what its checkpoint says. What this leaves in
  // `checks` says more.
  async load() {
    this.noteBytes = await fetchBytes(`${this.base}checkpoint`, NOTE_LIMIT);
    if (this.noteBytes === null) throw new Fault("there is no checkpoint here");
    this.note = parseNote(this.noteBytes);
    Object.assign(this, parseCheckpoint(this.note.text));
    if (this.size === 0) throw new Fault("the log is empty");
    this.canSign = this.canHash && (await hasEd25519());
    this.tree = new TileTree(this.size, (...tile) => this.readHashes(...tile));
    if (this.canHash) await this.checkRoot();
    await this.readEntries();
    await this.checkKey();
    await this.checkEntries();
    await this.checkWitnesses();
  }

  async checkRoot() {
    if (!equal(await this.tree.root(), this.root)) {
      throw new Fault("the tiles do not give the checkpoint's root");
    }
  }

  async readEntries() {
    const bundles = Math.ceil(this.size / TILE_WIDTH);
    const first = Math.max(1, bundles - ENTRIES_READ / TILE_WIDTH);
    this.isWhole = first === 1;
    const wanted = [0];
    for (let index = first; index < bundles; ++index) wanted.push(index);
    for (const index of wanted) {
      const texts = await this.readBundle(index);
      const leaves = this.canHash ? await this.checkBundle(index, texts) : [];
      texts.forEach((bytes, i) => {
        const leaf = leaves[i] ? toHex(leaves[i]) : null;
        this.entries.push({ index: index * TILE_WIDTH + i, bytes, leaf, fault: null });
      });
    }
    if (this.canHash) {
      this.say("tree", "good", `${this.entries.length} entries, hashed here, and the tiles of ` +
        `hashes give the root that the checkpoint names for ${this.size} entries`);
    } else {
      this.say("tree", "open", "This browser gives hashing (WebCrypto) only to pages from https " +
        "or from this computer, so nothing was checked. Export the ledger and open it from your " +
        "own computer, or forward the port: ssh -L 8080:HOST:PORT");
    }
    if (!this.isWhole) {
      this.say("part", "open", `Of ${this.size} entries the first ${TILE_WIDTH} and the newest ` +
        `${this.entries.length - TILE_WIDTH} were read; hilum ledger verify reads all`);
    }
  }

  // The entries' hashes are the tile's, and the tile hangs in the tree.
  async checkBundle(index, texts) {
    const leaves = await Promise.all(texts.map(leafHash));
    const tile = await this.tree.tile(0, index);
    const wrong = leaves.findIndex((leaf, i) => !equal(leaf, tile[i]));
    if (wrong >= 0) {
      throw new Fault(`entry ${index * TILE_WIDTH + wrong} is not the one that was logged`);
    }
    for (let [level, at] = [0, index]; tileWidth(level, at, this.size) === TILE_WIDTH; ++level) {
      await this.tree.checkTile(level, at);
      at = Math.floor(at / TILE_WIDTH);
    }
    return leaves;
  }

  async checkKey() {
    const genesis = parseEntry(this.entries[0].bytes);
    if (genesis.type !== "genesis") throw new Fault("entry 0 is no genesis");
    this.vkeyText = this.knownVkey || String(genesis.log_vkey);
    if (!this.canHash) return;
    const vkey = await parseVkey(this.vkeyText);
    if (vkey.name !== this.origin || genesis.origin !== this.origin) {
      throw new Fault(`the log's key is of ${vkey.name} and the checkpoint of ${this.origin}`);
    }
    if (genesis.log_vkey !== this.vkeyText) {
      throw new Fault("the genesis entry names another key of the log than the one known here");
    }
    if (!this.canSign) {
      this.say("sign", "open", "This browser has no Ed25519, so no signature was checked: " +
        "neither the log's, nor the witnesses', nor those of the entries. Hashes alone say that " +
        "the files fit together, not who made them");
      return;
    }
    await verifyLogLine(this.note, vkey);
    this.say("sign", "good", `The log's key signed the checkpoint (${this.knownVkey ?
      "the key that was known here" : "trust on first use: its own first entry names the key"})`);
  }

  async checkEntries() {
    this.members = new Members(this.origin);
    let chains = new Chains(this.entries[0].leaf);
    let [unknown, faults, next] = [0, 0, 0];
    for (const entry of this.entries) {
      if (entry.index !== next) chains = new Chains(null); // entries were left out
      next = entry.index + 1;
      try {
        entry.fields = parseEntry(entry.bytes);
        if (!this.canHash) continue;
        this.members.checkPresence(entry.fields);
        // The genesis brings its own key; what others say of members counts once it is theirs.
        const isFirst = entry.fields.type === "genesis";
        if (isFirst) await this.members.apply(entry.fields, entry.index, this.canSign);
        this.members.checkRole(entry.fields);
        if (this.canSign && !(await this.members.checkSignature(entry.fields))) {
          if (this.isWhole) throw new Fault("nobody has its key");
          ++unknown;
        }
        if (!isFirst) await this.members.apply(entry.fields, entry.index, this.canSign);
        chains.apply(entry.fields, entry.leaf, !this.isWhole);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        entry.fields ??= Object.create(null);
        entry.fault = error.message;
        if (++faults > FAULTS_SAID) continue;
        this.say("entry", "bad", `Entry ${entry.index}: ${error.message}`);
      }
    }
    if (!this.canHash || this.checks.some((check) => check.id === "entry")) return;
    if (this.canSign) {
      this.say("entry", unknown ? "open" : "good", unknown ?
        `${unknown} entries have keys from entries that were not read` :
        "Each entry is canonical and signed by a member with the key that the log gives it");
    }
    this.say("chain", "good", `The rounds of ${chains.studies.size} ` +
      `${chains.studies.size === 1 ? "study" : "studies"} form unbroken chains`);
  }

  async checkWitnesses() {
    if (!this.canSign) return;
    const nowS = Math.floor(Date.now() / 1000);
    const named = [...this.members.members.values()].filter((member) => member.witness);
    for (const member of named) {
      try {
        const timeS = await verifyCosignature(this.note, await parseVkey(member.witness), nowS);
        if (timeS !== null) this.cosigners.set(member.name, timeS);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.say("witness", "bad", `The witness of ${member.name}: ${error.message}`);
      }
    }
    if (this.checks.some((check) => check.id === "witness")) return;
    this.say("witness", "good", named.length === 0 ? "No member has a witness" :
      `The witnesses of ${this.cosigners.size} of ${named.length} members cosigned the checkpoint`);
  }

  // Counts the cosignatures under a policy; `whose` ends the sentence.
  async checkPolicy(policy, whose) {
    if (!this.canSign) return;
    const nowS = Math.floor(Date.now() / 1000);
    try {
      if (!policy.logs.some((log) => log.text === this.vkeyText)) {
        throw new Fault("it does not name this log's key");
      }
      const cosigned = new Map();
      for (const [name, vkey] of policy.witnesses) {
        const timeS = await verifyCosignature(this.note, vkey, nowS);
        if (timeS !== null) cosigned.set(name, timeS);
      }
      if (!meetsQuorum(policy, new Set(cosigned.keys()))) {
        throw new Fault(`${cosigned.size} cosignatures of its witnesses are no quorum`);
      }
      this.say("policy", "good", describeQuorum(policy, cosigned, whose));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.say("policy", "bad", `The policy (${whose}) is not met: ${error.message}`);
    }
  }

  // What an earlier visit saw of this log, { vkey, size, root (base64), note (base64) }, must be
  // the beginning of what stands here.
  async checkMemory(seen) {
    if (!this.canHash) return;
    try {
      if (seen.size > this.size) {
        throw new Fault(`this address showed ${seen.size} entries before, and shows ${this.size}`);
      }
      const path = await this.tree.consistencyPath(seen.size);
      const oldRoot = fromBase64(seen.root, "the remembered root");
      const claim = { oldSize: seen.size, size: this.size, oldRoot, root: this.root };
      await verifyConsistency(claim, path);
      this.say("memory", "good", `It continues the log of ${seen.size} entries that this browser ` +
        "saw here before");
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.say("memory", "bad", `Not the log that this browser saw here before: ${error.message}`);
    }
  }

  memory() {
    return { vkey: this.vkeyText, size: this.size, root: toBase64(this.root),
      note: toBase64(this.noteBytes) };
  }

  // The .tlog-proof of an entry, made from the tiles and verified as a stranger would.
  async prove(index) {
    const entry = this.entries.find((candidate) => candidate.index === index);
    const path = await this.tree.inclusionPath(index);
    const proof = formatProof({ entry: entry.bytes, index, path, note: this.noteBytes });
    await this.checkProof(proof);
    return proof;
  }

  // A .tlog-proof from anywhere: { fields, index, size }. Fault: it does not verify.
  async checkProof(bytes) {
    if (!this.canHash) throw new Fault("this browser does not hash here (see above)");
    const proof = parseProof(bytes);
    const note = parseNote(proof.note, "the proof's checkpoint");
    const { origin, size, root } = parseCheckpoint(note.text);
    if (origin !== this.origin) throw new Fault(`the proof is of another log, ${origin}`);
    const leaf = await leafHash(proof.entry);
    await verifyInclusion({ index: proof.index, size, leaf, root }, proof.path);
    if (this.canSign) await verifyLogLine(note, await parseVkey(this.vkeyText));
    await this.checkSameHistory(size, root);
    return { fields: parseEntry(proof.entry), index: proof.index, size, leaf: toHex(leaf) };
  }

  async checkSameHistory(size, root) {
    const [low, high] = size <= this.size ? [size, this.size] : [this.size, size];
    if (size > this.size) {
      throw new Fault(`the proof's checkpoint has ${high} entries, the log here ${low}: reload`);
    }
    const path = await this.tree.consistencyPath(size);
    const claim = { oldSize: size, size: this.size, oldRoot: root, root: this.root };
    await verifyConsistency(claim, path);
  }
}

function describeQuorum(policy, cosigned, whose) {
  if (policy.quorum === "none") return `The policy (${whose}) asks for no witness: quorum none`;
  const covered = faultsCovered(policy);
  const faults = covered === null ? "" :
    covered < 0 ? "; two such quorums need not share a witness" :
      `; two such quorums share an honest witness while at most ${covered} are dishonest`;
  const oldest = new Date(1000 * Math.min(...cosigned.values()));
  return `The quorum of the policy (${whose}) is met: ${cosigned.size} of ` +
    `${policy.witnesses.size} witnesses, the oldest cosignature of ` +
    `${oldest.toISOString()}${faults}`;
}
