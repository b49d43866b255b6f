// Makes the page's tables and its chart. Everything from the ledger is foreign: it becomes text
// nodes here, never markup, and letters that would change how other text reads are spelled out.
import { count, items } from "./entries.js";

const ROWS_SHOWN = 300;
const NAMES_SHOWN = 12;
const TEXT_LIMIT = 200;
const SVG = "http://www.w3.org/2000/svg";

// Control, direction and invisible characters as \u{…}.
export function plain(value, limit = TEXT_LIMIT) {
  const letters = Array.from(typeof value === "string" ? value : JSON.stringify(value) ?? "");
  const cut = letters.length > limit;
  const text = letters.slice(0, limit).map((letter) => (/[\p{C}\p{Zl}\p{Zp}]/u.test(letter) ?
    `\\u{${letter.codePointAt(0).toString(16)}}` : letter)).join("");
  return cut ? `${text}\u2026` : text;
}

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A value of the ledger.
export function foreign(value, limit) {
  return make("span", { class: "foreign" }, plain(value, limit));
}

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function digest(value) {
  const text = typeof value === "string" ? value : "";
  const short = make("span", { class: "mono foreign" }, plain(text, 12));
  short.title = plain(text);
  return short;
}

export function time(seconds) {
  const date = new Date(1000 * seconds);
  if (!Number.isSafeInteger(seconds) || Number.isNaN(date.getTime())) return "-";
  return date.toISOString().replace("T", " ").replace(".000Z", " UTC");
}

// `columns`: [title, cell(row), isNumber]. The newest rows first, the rest behind a button.
export function table(columns, rows) {
  const body = make("tbody");
  const show = (some) => body.append(...some.map((row) => make("tr", row.fault ?
    { class: "bad" } : {}, ...columns.map(([, cell, isNumber]) => {
    const node = make("td", isNumber ? { class: "number" } : {});
    node.append(...[cell(row)].flat());
    return node;
  }))));
  show(rows.slice(0, ROWS_SHOWN));
  const head = make("tr", {}, ...columns.map(([title, , isNumber]) =>
    make("th", isNumber ? { class: "number", scope: "col" } : { scope: "col" }, title)));
  const out = [make("table", {}, make("thead", {}, head), body)];
  if (rows.length > ROWS_SHOWN) {
    const more = make("button", { type: "button" }, `Show all ${rows.length}`);
    more.addEventListener("click", () => {
      show(rows.slice(ROWS_SHOWN));
      more.remove();
    });
    out.push(make("p", {}, more));
  }
  return out;
}

function names(list) {
  const known = items(list);
  const out = known.slice(0, NAMES_SHOWN).flatMap((name, i) =>
    (i === 0 ? [foreign(name, 64)] : [", ", foreign(name, 64)]));
  const more = count(list) - Math.min(known.length, NAMES_SHOWN);
  if (more > 0) out.push(out.length > 0 ? ` and ${more} more` : `${more} sites`);
  return out.length > 0 ? out : ["-"];
}

export function lossOf(close) {
  const found = items(close.metrics).find((m) => ["train_loss", "loss"].includes(m?.name));
  const isDecimal = found && /^-?[0-9]+(\.[0-9]+)?$/.test(String(found.value));
  return isDecimal && Number.isFinite(Number(found.value)) ? Number(found.value) : null;
}

// [{ open, close }] by position in the log; either may be missing.
export function roundsOf(entries) {
  const rounds = new Map();
  for (const entry of entries) {
    const { type, study, round } = entry.fields;
    if (type !== "round-open" && type !== "round-close") continue;
    const key = JSON.stringify([study, round]);
    if (!rounds.has(key)) rounds.set(key, { study, round, open: null, close: null });
    rounds.get(key)[type === "round-open" ? "open" : "close"] = entry;
  }
  return [...rounds.values()];
}

function privacyOf(close) {
  const masks = close.secagg === undefined ? "-" : close.secagg.suite === 0 ? "open" : "masked";
  const dp = close.dp === undefined ? [] :
    ["; \u03b5 ", foreign(close.dp.epsilon, 16), " \u03b4 ", foreign(close.dp.delta, 16)];
  return [masks, ...dp];
}

function statusOf({ close }) {
  if (close === null) return make("span", { class: "open" }, "open");
  const isOk = close.fields.status === "ok";
  return make("span", { class: isOk ? "good" : "bad" }, plain(close.fields.status, 16));
}

// `proofButton(entry)` gives the node that makes a proof.
export function roundsTable(rounds, proofButton) {
  const of = (round) => round.close?.fields ?? round.open.fields;
  const closed = (cell) => (round) => (round.close ? cell(round.close.fields) : "-");
  const rows = rounds.map((round) => (
    { ...round, fault: round.open?.fault ?? round.close?.fault }));
  return table([
    ["Round", (round) => foreign(round.round, 20), true],
    ["Study", (round) => foreign(round.study, 64)],
    ["Status", statusOf],
    ["Counted", closed((close) => names(close.cohort))],
    ["Dropped", closed((close) => names(close.dropped))],
    ["Loss", closed((close) => lossOf(close)?.toFixed(4) ?? "-"), true],
    ["Privacy", closed(privacyOf)],
    ["Model", closed((close) => digest(close.model))],
    ["Claimed time", (round) => time(of(round).t)],
    ["Proof", (round) => proofButton(round.close ?? round.open)],
  ], rows.reverse());
}

export function membersTable(log) {
  const witness = (member) => {
    if (!member.witness) return "none";
    const cosigned = log.cosigners.get(member.name);
    return cosigned === undefined ? make("span", { class: "open" }, "did not cosign") :
      make("span", { class: "good" }, `cosigned ${time(cosigned)}`);
  };
  return table([
    ["Member", (member) => foreign(member.name, 64)],
    ["Role", (member) => foreign(member.role, 16)],
    ["Joined at entry", (member) => String(member.index), true],
    ["Left at entry", (member) => (member.left === null ? "-" : String(member.left)), true],
    ["Witness", witness],
  ], [...log.members.members.values()]);
}

export function entriesTable(entries, proofButton) {
  const fields = (entry) => make("details", {}, make("summary", {}, "fields"),
    make("pre", { class: "foreign" }, plain(JSON.stringify(entry.fields, null, 1)
      .split("\n").map((line) => line.trimStart()).join(" "), 65535)));
  return table([
    ["Entry", (entry) => String(entry.index), true],
    ["Type", (entry) => foreign(entry.fields.type, 24)],
    ["By", (entry) => foreign(entry.fields.by, 64)],
    ["Claimed time", (entry) => time(entry.fields.t)],
    ["What it says", fields],
    ["Proof", proofButton],
  ], [...entries].reverse());
}

const BOX = { width: 720, height: 240, left: 52, right: 12, top: 12, bottom: 28 };

function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

function ticks(low, high, n) {
  const raw = (high - low || 1) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => candidate >= raw);
  const out = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) out.push(at);
  return out;
}

// One curve a study (the newest four), aborted rounds as ticks at the bottom; null: no loss at all.
export function lossChart(rounds) {
  const studies = [...new Set(rounds.map((round) => round.study))].slice(-4);
  const points = rounds.filter((round) => round.close && studies.includes(round.study) &&
    Number.isSafeInteger(round.round)).map((round) => ({
    study: round.study, x: round.round, y: lossOf(round.close.fields),
    aborted: round.close.fields.status !== "ok",
  }));
  const drawn = points.filter((point) => point.y !== null && !point.aborted);
  if (drawn.length === 0) return null;
  const extent = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)],
    [Infinity, -Infinity]);
  const [x0, x1] = extent(points.map((point) => point.x));
  const [y0, y1] = extent([0, ...drawn.map((point) => point.y)]);
  const x = scale(x0, x1, BOX.left, BOX.width - BOX.right);
  const y = scale(y0, y1, BOX.height - BOX.bottom, BOX.top);
  const svg = shape("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img",
    "aria-label": "training loss by round" });
  for (const value of ticks(y0, y1, 4)) {
    svg.append(shape("line", { class: "axis", x1: BOX.left, x2: BOX.width - BOX.right,
      y1: y(value), y2: y(value) }), shape("text", { x: BOX.left - 6, y: y(value) + 4,
      "text-anchor": "end" }, String(Number(value.toPrecision(6)))));
  }
  for (const value of ticks(x0, x1, 8).filter(Number.isInteger)) {
    svg.append(shape("text", { x: x(value), y: BOX.height - 8, "text-anchor": "middle" },
      String(value)));
  }
  studies.forEach((study, i) => drawStudy(svg, points.filter((p) => p.study === study), i, x, y));
  const legend = studies.length < 2 ? [] : [make("p", { class: "hint" }, ...studies.flatMap(
    (study, i) => [`${i + 1}: `, foreign(study, 64), "  "]))];
  return [svg, ...legend];
}

function drawStudy(svg, points, i, x, y) {
  const drawn = points.filter((point) => point.y !== null && !point.aborted);
  const line = drawn.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
  svg.append(shape("polyline", { class: `curve c${i}`, points: line }));
  if (drawn.length <= 60) {
    for (const point of drawn) {
      svg.append(shape("circle", { class: `dot c${i}`, cx: x(point.x), cy: y(point.y), r: 3 },
        shape("title", {}, `round ${point.x}: ${point.y}`)));
    }
  }
  if (i > 0 || drawn.length > 0) {
    const last = drawn[drawn.length - 1];
    if (last) svg.append(shape("text", { x: x(last.x) - 8, y: y(last.y) - 8 }, String(i + 1)));
  }
  for (const point of points.filter((candidate) => candidate.aborted)) {
    svg.append(shape("line", { class: "aborted", x1: x(point.x), x2: x(point.x),
      y1: BOX.height - BOX.bottom - 8, y2: BOX.height - BOX.bottom },
    shape("title", {}, `round ${point.x}: aborted`)));
  }
}
