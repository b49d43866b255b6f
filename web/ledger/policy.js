// tlog-policy files (C2SP; docs/ledger.md, section 2.8): which cosignatures make a quorum.
import { Fault, toHex } from "./bytes.js";
import { LOG_KEY, WITNESS_KEY, parseVkey } from "./note.js";

export const POLICY_LIMIT = 64 << 10;
const LIMITS = { log: 32, witness: 512, group: 64 };
const RESERVED = ["all", "any", "none"];

class Reader {
  constructor() {
    this.policy = { logs: [], witnesses: new Map(), groups: new Map(), quorum: null };
    this.keys = new Set();
    this.members = new Set();
  }

  refuse(reason) {
    throw new Fault(`the policy: ${reason}`);
  }

  async key(text, type, role) {
    const vkey = await parseVkey(text);
    if (vkey.type !== type) this.refuse(`${vkey.name} has no key of a ${role}`);
    const hex = toHex(vkey.key);
    if (this.keys.has(hex)) this.refuse(`the key of ${vkey.name} stands in two lines`);
    this.keys.add(hex);
    return vkey;
  }

  newName(name) {
    if (RESERVED.includes(name)) this.refuse(`"${name}" is no name`);
    if (this.knows(name)) this.refuse(`the name ${name} is given twice`);
  }

  knows(name) {
    return this.policy.witnesses.has(name) || this.policy.groups.has(name);
  }

  async log(words) {
    if (words.length < 1 || words.length > 2) this.refuse("a log line is log <vkey> [url]");
    this.policy.logs.push(await this.key(words[0], LOG_KEY, "log"));
  }

  async witness(words) {
    if (words.length < 2 || words.length > 3) {
      this.refuse("a witness line is witness <name> <vkey> [url]");
    }
    this.newName(words[0]);
    this.policy.witnesses.set(words[0], await this.key(words[1], WITNESS_KEY, "witness"));
  }

  async group([name, rule, ...members]) {
    if (members.length === 0) this.refuse("a group line is group <name> all|any|<k> <member>...");
    this.newName(name);
    const n = members.length;
    const k = { all: n, any: 1 }[rule] ?? (/^[1-9][0-9]{0,3}$/.test(rule) ? Number(rule) : 0);
    if (k < 1 || k > n) this.refuse(`group ${name} asks for ${rule} of ${n}`);
    for (const member of members) {
      if (!this.knows(member)) this.refuse(`${member} is not defined above group ${name}`);
      if (this.members.has(member)) this.refuse(`${member} is a member twice`);
      this.members.add(member);
    }
    this.policy.groups.set(name, { k, members });
  }

  async quorum(words) {
    if (this.policy.quorum !== null) this.refuse("there are two quorum lines");
    if (words.length !== 1 || (words[0] !== "none" && !this.knows(words[0]))) {
      this.refuse("the quorum is not defined above its line");
    }
    [this.policy.quorum] = words;
  }
}

// { logs: [vkey], witnesses: Map name -> vkey, groups: Map name -> { k, members }, quorum }
export async function parsePolicy(bytes) {
  if (bytes.length > POLICY_LIMIT) {
    throw new Fault(`the policy has more than ${POLICY_LIMIT} bytes`);
  }
  if (bytes.some((b) => (b < 0x20 && b !== 0x09 && b !== 0x0a) || b === 0x7f)) {
    throw new Fault("the policy holds a control character");
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const reader = new Reader();
  const counts = { log: 0, witness: 0, group: 0 };
  for (const line of text.split("\n")) {
    const words = line.replace(/^[ \t]+|[ \t]+$/g, "").split(/[ \t]+/);
    if (words[0] === "" || words[0].startsWith("#")) continue;
    const kind = words.shift();
    if (!["log", "witness", "group", "quorum"].includes(kind)) {
      reader.refuse(`a line starts with ${kind}`);
    }
    if (++counts[kind] > LIMITS[kind]) reader.refuse(`more than ${LIMITS[kind]} lines of ${kind}`);
    await reader[kind](words);
  }
  if (reader.policy.quorum === null) reader.refuse("there is no quorum line");
  return reader.policy;
}

function holds(policy, name, cosigned) {
  const group = policy.groups.get(name);
  if (!group) return cosigned.has(name);
  return group.members.filter((member) => holds(policy, member, cosigned)).length >= group.k;
}

// Whether the witnesses in `cosigned` (their names in the policy) make the quorum.
export function meetsQuorum(policy, cosigned) {
  return policy.quorum === "none" || holds(policy, policy.quorum, cosigned);
}

// How many dishonest witnesses a flat k-of-n quorum covers, 2k - n - 1; null: it is not flat.
export function faultsCovered(policy) {
  const group = policy.groups.get(policy.quorum);
  if (!group || group.members.some((member) => policy.groups.has(member))) return null;
  return Math.max(-1, 2 * group.k - group.members.length - 1);
}
