// The page: finds the log beside itself, checks it, shows it.
import { Fault, fromBase64 } from "./bytes.js";
import { Log, fetchBytes } from "./log.js";
import { POLICY_LIMIT, parsePolicy } from "./policy.js";
import { NOTE_LIMIT } from "./note.js";
import {
  entriesTable, foreign, lossChart, make, membersTable, plain, roundsOf, roundsTable, table,
} from "./view.js";

const LIST_LIMIT = 1 << 20;
const MARKS = { good: "\u2713", bad: "\u2717", open: "\u2013" };
const VERDICTS = {
  good: "All checks of this page hold",
  part: "What could be checked holds, but not all could be",
  none: "Nothing was checked",
  bad: "This ledger does not verify",
};
const SHOWN_APART = ["round-open", "round-close", "join"];
const $ = (selector) => document.querySelector(selector);

// Where `checkpoint` lies: beside the page (a server), or in log/ (an export).
async function findBase() {
  const here = new URL(".", document.baseURI).href;
  for (const base of [here, `${here}log/`]) {
    if ((await fetchBytes(`${base}checkpoint`, NOTE_LIMIT)) !== null) return base;
  }
  throw new Fault("there is no checkpoint beside this page, nor in log/");
}

class Memory {
  constructor(base) {
    this.key = `hilum-ledger ${base}`;
  }

  // What write() kept; null: nothing, or not in that form.
  read() {
    try {
      const seen = JSON.parse(localStorage.getItem(this.key));
      const isWhole = ["vkey", "root", "note"].every((field) => typeof seen[field] === "string");
      fromBase64(seen.note, "a note");
      return isWhole && Number.isSafeInteger(seen.size) ? seen : null;
    } catch {
      return null;
    }
  }

  write(value) {
    try {
      localStorage.setItem(this.key, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing: each visit is the first.
    }
  }

  forget() {
    localStorage.removeItem(this.key);
    location.reload();
  }
}

function show(id, nodes) {
  const section = document.getElementById(id);
  section.hidden = nodes.length === 0;
  section.querySelector("div").replaceChildren(...nodes);
}

function button(text, action) {
  const node = make("button", { type: "button" }, text);
  node.addEventListener("click", action);
  return node;
}

// A link to bytes that this page made. The name is ours, without letters of the ledger.
function download(bytes, name, text) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  return make("a", { class: "button", href: url, download: name }, text);
}

// Both signed notes, where an earlier visit saw one: two roots for one size prove a fork to anyone.
function evidence(log, memory) {
  const seen = memory?.read();
  if (!seen || !log.noteBytes) return [];
  return ["Seen here before: ",
    download(fromBase64(seen.note, "a note"), "seen-before.note", `note of ${seen.size} entries`),
    " Shown now: ", download(log.noteBytes, "shown-now.note", "note"), " ",
    button("Forget what was seen here", () => memory.forget())];
}

function showVerdict(log, memory) {
  document.body.dataset.verdict = log.verdict;
  $("#verdict").hidden = false;
  $("#verdict h2").textContent = VERDICTS[log.verdict];
  $("#verdict ul").replaceChildren(...log.checks.map((check) => make("li",
    { class: check.state, "data-check": check.id }, make("b", {}, MARKS[check.state]),
    plain(check.text, 600))));
  $("#verdict .actions").replaceChildren(...(log.verdict === "bad" ? evidence(log, memory) : []));
}

function proofButton(log) {
  return (entry) => {
    const place = make("span", { "data-proof": String(entry.index) });
    if (!log.canHash) return "-";
    place.append(button("make", async () => {
      try {
        const proof = await log.prove(entry.index);
        place.replaceChildren(make("span", { class: "good" }, "verified "),
          download(proof, `entry-${entry.index}.tlog-proof`, "save"));
      } catch (error) {
        place.replaceChildren(make("span", { class: "bad" }, plain(error.message)));
      }
    }));
    return place;
  };
}

function showLog(log) {
  const prove = proofButton(log);
  const rounds = roundsOf(log.entries);
  show("chart", lossChart(rounds) ?? []);
  show("rounds", rounds.length ? roundsTable(rounds, prove) : []);
  show("members", membersTable(log));
  show("others", entriesTable(
    log.entries.filter((entry) => entry.fault || !SHOWN_APART.includes(entry.fields.type)), prove));
}

async function showAnchors(base) {
  for (const folder of [`${base}anchors/rfc3161/`, new URL("../anchors/rfc3161/", base).href]) {
    if (!folder.startsWith(new URL(".", document.baseURI).href)) continue;
    const list = await fetchBytes(`${folder}list`, LIST_LIMIT).catch(() => null);
    if (list === null) continue;
    const sizes = new TextDecoder().decode(list).split("\n")
      .filter((line) => /^[1-9][0-9]{0,18}$/.test(line));
    const link = (name) => make("a", { href: folder + name, download: name }, name);
    show("anchors", sizes.length ? table([
      ["Entries", (size) => size, true],
      ["Receipt", (size) => link(size)],
      ["What it stamps", (size) => link(`${size}.note`)],
    ], sizes.reverse()) : []);
    return;
  }
}

async function fileBytes(input, limit) {
  const [file] = input.files;
  if (file.size > limit) throw new Fault(`the file has more than ${limit} bytes`);
  return new Uint8Array(await file.arrayBuffer());
}

// What the visitor opens is judged and answered beside the field.
function listen(id, answer, limit, judge) {
  $(id).addEventListener("change", async () => {
    const output = $(answer);
    try {
      const text = await judge(await fileBytes($(id), limit));
      output.className = "good";
      output.replaceChildren(...text);
    } catch (error) {
      output.className = "bad";
      output.textContent = plain(error instanceof Fault ? error.message : `refused: ${error}`, 600);
    }
  });
}

function listenToFiles(log, memory) {
  $("#own").hidden = false;
  listen("#policy-file", "#policy-answer", POLICY_LIMIT, async (bytes) => {
    const policy = await parsePolicy(bytes);
    if (!log.canSign) throw new Fault("this browser cannot check signatures here (see above)");
    log.checks = log.checks.filter((check) => check.id !== "policy");
    await log.checkPolicy(policy, "yours");
    showVerdict(log, memory);
    const check = log.checks.find((candidate) => candidate.id === "policy");
    if (check.state === "bad") throw new Fault(check.text);
    return [plain(check.text, 600)];
  });
  listen("#proof-file", "#proof-answer", NOTE_LIMIT, async (bytes) => {
    const proof = await log.checkProof(bytes);
    if (log.verdict === "bad") throw new Fault("the proof fits this ledger, which does not verify");
    const signed = log.canSign ? "" : "; its signature was not checked (see above)";
    return [`Verified: entry ${proof.index} of this log, `, foreign(proof.fields.type, 24), " by ",
      foreign(proof.fields.by, 64), `, under its checkpoint of ${proof.size} entries${signed}`];
  });
}

// Beside the page: the server's own, or the one that an export was made with.
async function policyHere() {
  const url = new URL("policy", document.baseURI).href;
  const bytes = await fetchBytes(url, POLICY_LIMIT).catch(() => null);
  return bytes === null ? null : parsePolicy(bytes);
}

async function run() {
  $("#how").hidden = true;
  document.body.dataset.verdict = "waiting";
  let log = null;
  let memory = null;
  try {
    const base = await findBase();
    memory = new Memory(base);
    const seen = memory.read();
    log = new Log(base, seen?.vkey ?? "");
    await log.load();
    const policy = await policyHere();
    if (policy) await log.checkPolicy(policy, "the one beside this page");
    if (seen) await log.checkMemory(seen);
    if (["good", "part"].includes(log.verdict)) memory.write(log.memory());
    await showAnchors(base);
  } catch (error) {
    const text = error instanceof Fault ? error.message : `this page has a fault: ${error}`;
    log ??= { checks: [], verdict: "bad", entries: [] };
    log.checks.push({ id: "log", state: "bad", text });
    log.failed = true;
  }
  $("#origin").textContent = log.origin ? plain(log.origin) : "";
  document.title = `Ledger ${log.origin ? plain(log.origin) : ""}`;
  $("#summary").textContent = log.size ? `${log.size} entries, root ${log.memory().root}` : "";
  if (!log.failed) {
    showLog(log);
    listenToFiles(log, memory);
  }
  showVerdict(log, memory);
}

run();
