// Entries of the log: canonical form, signatures, and the links of the rounds (docs/ledger.md,
// section 3). Field values are foreign bytes: this file compares them, view.js makes them text.
import { Fault, fromBase64, toBytes, toHex, toText } from "./bytes.js";
import { sha256 } from "./merkle.js";
import { checkPublicKey, verifyEd25519 } from "./note.js";

export const ENTRY_LIMIT = 65535;
const DEPTH_LIMIT = 32;

function encode(value, depth) {
  if (depth > DEPTH_LIMIT) throw new Fault("an entry has too many nested levels");
  if (typeof value === "string") {
    return `"${value.replace(/["\\]/g, "\\$&")}"`;
  }
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return String(value);
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => encode(item, depth + 1)).join(",")}]`;
  if (value === null || typeof value !== "object") throw new Fault("an entry holds another value");
  const fields = Object.keys(value).sort().map((key) => {
    if (!/^[a-z0-9_]+$/.test(key)) throw new Fault("an entry has a key of other letters");
    return `"${key}":${encode(value[key], depth + 1)}`;
  });
  return `{${fields.join(",")}}`;
}

export function canonical(object) {
  return encode(object, 0);
}

// The entry's fields, without a prototype. Fault: not the one canonical form.
export function parseEntry(bytes) {
  if (bytes.length > ENTRY_LIMIT) throw new Fault(`an entry has more than ${ENTRY_LIMIT} bytes`);
  const text = toText(bytes, "an entry");
  let fields;
  try {
    fields = JSON.parse(text);
  } catch {
    throw new Fault("an entry is not JSON");
  }
  if (fields === null || typeof fields !== "object" || Array.isArray(fields)) {
    throw new Fault("an entry is no JSON object");
  }
  if (canonical(fields) !== text) throw new Fault("an entry is not canonical JSON");
  return Object.assign(Object.create(null), fields);
}

function string(entry, field) {
  if (typeof entry[field] !== "string") throw new Fault(`its ${field} is no text`);
  return entry[field];
}

// The names of a List, as far as they stand in the entry itself.
export function items(list) {
  return Array.isArray(list?.items) ? list.items : [];
}

export function count(list) {
  return Number.isSafeInteger(list?.n) ? list.n : 0;
}

function without(entry, ...fields) {
  return canonical(Object.fromEntries(Object.entries(entry).filter(([k]) => !fields.includes(k))));
}

// Entries that a site signs for itself, and the field that says which site.
const SPEAKERS = new Map([["consent-batch", "site"], ["train-manifest", "site"],
  ["evaluation", "site"], ["key-rotate", "member"]]);

// Whose key is whose, as the log itself says: genesis, join, key-rotate, leave.
export class Members {
  constructor(origin) {
    this.origin = origin;
    this.keys = new Map(); // H(key) in hexadecimal -> { key, member }
    this.members = new Map(); // name -> { name, role, index, left, witness }
    this.aggregator = null;
  }

  async addKey(member, encoded) {
    const key = fromBase64(encoded, "an entry key");
    checkPublicKey(key, `the entry key of ${member}`);
    const id = toHex(await sha256(key));
    if (this.keys.has(id)) throw new Fault(`the key of ${member} is in the log already`);
    this.keys.set(id, { key, member });
    return key;
  }

  async verify(prefix, key, entry, signature, ...left) {
    const message = `${prefix}\n${this.origin}\n${without(entry, "sig", ...left)}`;
    const bytes = fromBase64(signature, "a signature");
    if (bytes.length !== 64 || !(await verifyEd25519(key, toBytes(message), bytes))) {
      throw new Fault("its signature does not verify");
    }
  }

  // Of `sig`. False: the key came with an entry that was not read. Fault: it does not verify.
  async checkSignature(entry) {
    const known = this.keys.get(string(entry, "key"));
    if (!known) return false;
    const by = string(entry, "by");
    if (known.member !== by) throw new Fault(`its key is not the one of ${by}`);
    await this.verify("hilum-entry/v1", known.key, entry, string(entry, "sig"));
    return true;
  }

  // Takes what the entry says of members; `checks` is whether signatures can be checked.
  async apply(entry, index, checks) {
    if (entry.type === "genesis") {
      if (index !== 0) throw new Fault("a second genesis");
      this.aggregator = string(entry, "by");
      await this.addKey(this.aggregator, string(entry, "entry_key"));
    } else if (entry.type === "join") {
      const name = string(entry, "member");
      if (this.members.has(name)) throw new Fault(`${name} joins twice`);
      const key = await this.addKey(name, string(entry, "entry_key"));
      if (checks) {
        const signature = string(entry, "member_sig");
        await this.verify("hilum-join/v1", key, entry, signature, "member_sig");
      }
      this.members.set(name, {
        name, role: entry.role, index, left: null, witness: entry.witness_vkey ?? null,
      });
    } else if (entry.type === "key-rotate") {
      const key = await this.addKey(string(entry, "member"), string(entry, "new"));
      if (checks) {
        await this.verify("hilum-rotate/v1", key, entry, string(entry, "new_sig"), "new_sig");
      }
    } else if (entry.type === "leave" && entry.study === undefined) {
      const member = this.members.get(string(entry, "member"));
      if (member) member.left = index;
    }
  }

  // Fault: who signs may not sign this type. Only a site logs its own consents, manifests,
  // evaluations and keys; an incident comes from any member, a leave also from who leaves; the rest
  // from the aggregator alone. Where the genesis was not read, only what `join` says counts.
  checkRole(entry) {
    const by = string(entry, "by");
    const type = string(entry, "type");
    const member = this.members.get(by);
    const speaker = SPEAKERS.get(type);
    const isOther = member ? member.role !== "site" : by === this.aggregator;
    const may = speaker !== undefined ? entry[speaker] === by && !isOther :
      by === this.aggregator || type === "incident" || (type === "leave" && entry.member === by) ||
      (this.aggregator === null && !member);
    if (!may) throw new Fault(`${by} may not sign a ${type}`);
  }

  // Fault: the signer had left.
  checkPresence(entry) {
    const member = this.members.get(entry.by);
    if (member && member.left !== null) throw new Fault(`${entry.by} had left`);
  }
}

// The hash chain of each study's rounds (docs/ledger.md, section 3.4).
export class Chains {
  constructor(genesisLeaf) {
    this.genesis = genesisLeaf;
    this.studies = new Map();
  }

  study(name) {
    if (!this.studies.has(name)) {
      this.studies.set(name, { round: 0, prev: this.genesis, model: null, open: null });
    }
    return this.studies.get(name);
  }

  // Fault: a link is broken. `isMiddle`: the study's beginning was not read, so links start here.
  apply(entry, leaf, isMiddle) {
    if (entry.type !== "round-open" && entry.type !== "round-close") return;
    const study = this.study(string(entry, "study"));
    const must = (condition, what) => {
      if (!condition) throw new Fault(`${entry.type} of round ${entry.round}: ${what}`);
    };
    if (entry.type === "round-open") {
      if (isMiddle && study.round === 0) Object.assign(study, { round: entry.round - 1,
        prev: entry.prev, model: entry.base_model });
      must(study.open === null, "the round before is still open");
      must(entry.round === study.round + 1, "the number does not follow the one before");
      must(entry.prev === study.prev, "prev is not the round before");
      must(study.model === null || entry.base_model === study.model,
        "it starts from another model than the round before made");
      study.open = { entry, leaf };
      return;
    }
    if (isMiddle && study.open === null && study.round === 0) {
      Object.assign(study, { round: entry.round, prev: leaf, model: entry.model });
      return;
    }
    must(study.open !== null && study.open.entry.round === entry.round, "no such round is open");
    const { entry: open, leaf: openLeaf } = study.open;
    must(entry.open === openLeaf, "open is not its round-open");
    must(entry.prev === study.prev, "prev is not the round before");
    must(entry.base_model === open.base_model, "it starts from another model than it opened with");
    must(entry.status === "ok" || entry.model === entry.base_model, "an aborted round changed the model");
    must(entry.secagg === undefined || entry.secagg.cfg === open.cfg, "another configuration");
    must(count(entry.cohort) + count(entry.dropped) === count(open.cohort),
      "sites counted and dropped are not the cohort");
    Object.assign(study, { round: entry.round, prev: leaf, model: entry.model, open: null });
  }
}
