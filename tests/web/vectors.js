// Runs the vectors of tests/vectors/ledger through the page's modules, in the browser. Each of
// them is imported as a visitor's browser does it. Returns { run, faults: [text] }.
const MODULES = ["bytes", "merkle", "note", "policy", "entries"];

export async function run(modulesUrl, read) {
  const [bytes, merkle, note, policy, entries] = await Promise.all(
    MODULES.map((name) => import(`${modulesUrl}${name}.js`)));
  const all = { bytes, merkle, note, policy, entries };
  const result = { run: 0, faults: [] };
  // `good`: whether the action must succeed; what fails must fail with a Fault, no other error.
  const expect = async (what, good, action) => {
    ++result.run;
    try {
      await action();
      if (!good) result.faults.push(`${what}: accepted`);
    } catch (error) {
      if (good || !(error instanceof bytes.Fault)) result.faults.push(`${what}: ${error}`);
    }
  };
  await inclusion(all, expect, await read("rfc6962_inclusion.json"));
  await consistency(all, expect, await read("rfc6962_consistency.json"));
  await generated(all, expect, await read("xmod_tlog_generated.json"));
  await notes(all, expect, await read("signed_notes.json"), await read("note_vkeys.json"));
  await texts(all, expect, await read("checkpoint_parse.json"), await read("policies.json"));
  await paths(all, expect, await read("tile_paths.json"));
  await endToEnd(all, expect, await read("generated_end_to_end.json"));
  await roles(all, expect);
  return result;
}

const hashes = (bytes, list) => (list ?? []).map((text) => bytes.fromBase64(text, "a hash"));

async function inclusion({ bytes, merkle }, expect, file) {
  for (const v of file.vectors) {
    await expect(v.name, !v.wantErr && !(file.strict_must_reject ?? []).includes(v.name),
      () => merkle.verifyInclusion({ index: v.leafIdx, size: v.treeSize,
        leaf: bytes.fromBase64(v.leafHash ?? "", "leaf"),
        root: bytes.fromBase64(v.root ?? "", "root") }, hashes(bytes, v.proof)));
  }
}

async function consistency({ bytes, merkle }, expect, file) {
  for (const v of file.vectors) {
    await expect(v.name, !v.wantErr && !file.strict_must_reject.includes(v.name),
      () => merkle.verifyConsistency({ oldSize: v.size1, size: v.size2,
        oldRoot: bytes.fromBase64(v.root1 ?? "", "root"),
        root: bytes.fromBase64(v.root2 ?? "", "root") }, hashes(bytes, v.proof)));
  }
}

async function generated({ bytes, merkle }, expect, file) {
  for (const v of file.consistency) {
    await expect(`x/mod ${v.Old} ${v.New}`, true, () => merkle.verifyConsistency({ oldSize: v.Old,
      size: v.New, oldRoot: bytes.fromBase64(v.OldRoot, "r"),
      root: bytes.fromBase64(v.NewRoot, "r") }, hashes(bytes, v.Proof)));
  }
}

async function notes({ bytes, note }, expect, file, keys) {
  const ed25519 = [note.LOG_KEY, note.WITNESS_KEY];
  for (const v of keys.good) {
    await expect(v.vkey, true, () => note.parseVkey(v.vkey));
  }
  for (const v of keys.bad) {
    await expect(`vkey ${JSON.stringify(v)}`, false, () => note.parseVkey(v.vkey ?? v));
  }
  for (const v of file.notes) {
    if (!v.vkeys?.length || v.verify === undefined) continue;
    const vkeys = await Promise.all(v.vkeys.map((text) => note.parseVkey(text)));
    if (!vkeys.every((key) => ed25519.includes(key.type))) continue;
    await expect(v.name, v.verify, async () => {
      const parsed = note.parseNote(bytes.toBytes(v.note));
      const future = Number.MAX_SAFE_INTEGER - 1000;
      let verified = 0;
      for (const key of vkeys) {
        if (!note.lineOf(parsed, key)) continue;
        await (key.type === note.LOG_KEY ? note.verifyLogLine(parsed, key) :
          note.verifyCosignature(parsed, key, future));
        ++verified;
      }
      if (verified === 0) throw new bytes.Fault("no known key");
    });
  }
}

async function texts({ bytes, note, policy }, expect, checkpoints, policies) {
  for (const v of checkpoints.valid) {
    const isOurs = v.strict_valid !== false && v.text.split("\n").length === 4;
    await expect(`checkpoint ${v.text}`, isOurs, () => note.parseCheckpoint(v.text));
  }
  for (const v of checkpoints.invalid) {
    await expect(`checkpoint ${JSON.stringify(v)}`, false, () => note.parseCheckpoint(v.text ?? v));
  }
  const parse = (text) => policy.parsePolicy(bytes.toBytes(text));
  await expect("two of two", true, () => parse(policies.valid_two_of_two_type4));
  await expect("two of two, note keys", false, () => parse(policies.valid_two_of_two));
  for (const v of policies.invalid) {
    await expect(`policy ${JSON.stringify(v)}`, false, () => parse(v.text ?? v.policy ?? v));
  }
}

async function paths({ merkle, bytes }, expect, file) {
  for (const v of file.tile.filter((t) => Number.isSafeInteger(t.index))) {
    await expect(v.path, true, () => {
      const path = merkle.tilePath(v.level, v.index, v.partial || 256);
      if (path !== v.path) throw new bytes.Fault(`gave ${path}`);
    });
  }
}

// The log of 300 entries: its proof, and the same proof with each byte changed.
async function endToEnd({ bytes, note, merkle, policy }, expect, file) {
  const judge = async (text, verifyKey) => {
    const proof = note.parseProof(text);
    const parsed = note.parseNote(proof.note);
    const checkpoint = note.parseCheckpoint(parsed.text);
    await merkle.verifyInclusion({ index: proof.index, size: checkpoint.size,
      leaf: await merkle.leafHash(proof.entry), root: checkpoint.root }, proof.path);
    await note.verifyLogLine(parsed, await note.parseVkey(verifyKey));
    return parsed;
  };
  const extra = bytes.toBase64(bytes.toBytes("round 257"));
  const whole = file.tlog_proof_index_257.replace("\nindex", `\nextra ${extra}\nindex`);
  const text = bytes.toBytes(whole);
  await expect("end to end", true, () => judge(text, file.log_vkey));
  await expect("cosignatures", true, async () => {
    const parsed = await judge(text, file.log_vkey);
    const rules = await policy.parsePolicy(bytes.toBytes(file.policy_2_of_3));
    const cosigned = new Set();
    for (const [name, vkey] of rules.witnesses) {
      const timeS = await note.verifyCosignature(parsed, vkey, 2 ** 40);
      if (timeS !== null) cosigned.add(name);
    }
    if (!policy.meetsQuorum(rules, cosigned)) throw new bytes.Fault("no quorum");
    if (policy.meetsQuorum(rules, new Set(["w1"]))) throw new bytes.Fault("one of three is enough");
    if (policy.faultsCovered(rules) !== 0) throw new bytes.Fault("2 of 3 covers nobody");
  });
  const signed = whole.indexOf("\n\u2014 ");
  const end = bytes.toBytes(whole.slice(0, whole.indexOf("\n", signed + 1))).length;
  for (let i = 0; i < end; i += 7) {
    const changed = Uint8Array.from(text);
    changed[i] ^= 1;
    await expect(`changed byte ${i}`, false, () => judge(changed, file.log_vkey));
  }
}

// Who may sign which entry: Members::Check of ledger_anchor/members.cc, and the table
// of docs/ledger.md, section 3.3.
async function roles({ entries }, expect) {
  const members = new entries.Members("fl.example/ledger");
  members.aggregator = "server";
  members.members.set("a", { name: "a", role: "site" });
  members.members.set("b", { name: "b", role: "site" });
  members.members.set("w", { name: "w", role: "witness" });
  const may = async (by, fields, good) => expect(`${by} signs ${JSON.stringify(fields)}`, good,
    () => members.checkRole({ by, ...fields }));
  for (const type of ["join", "round-open", "round-close", "model-release", "another"]) {
    await may("server", { type }, true);
    for (const by of ["a", "w", "nobody"]) await may(by, { type }, false);
  }
  for (const [type, field] of [["consent-batch", "site"], ["train-manifest", "site"],
    ["evaluation", "site"], ["key-rotate", "member"]]) {
    await may("a", { type, [field]: "a" }, true);
    await may("b", { type, [field]: "a" }, false);
    await may("server", { type, [field]: "a" }, false);
    await may("server", { type, [field]: "server" }, false);
    await may("w", { type, [field]: "w" }, false);
    await may("a", { type }, false);
  }
  for (const by of ["server", "a", "w"]) await may(by, { type: "incident" }, true);
  await may("a", { type: "leave", member: "a" }, true);
  await may("server", { type: "leave", member: "a" }, true);
  await may("b", { type: "leave", member: "a" }, false);
  members.aggregator = null; // the log's beginning was not read
  await may("server", { type: "round-close" }, true);
  await may("a", { type: "round-close" }, false);
  await may("unknown", { type: "evaluation", site: "a" }, false);
}
