"""Entries of the log: their fields and their signatures (docs/wire.md, section 6)."""
from dataclasses import dataclass, field

import wire
from wire import Fields, require

ENTRY_LIMIT = 65_535
LIST_LIMIT = 64  # a longer list is an annex in the store
PADDED_COUNTS = [1 << bits for bits in range(4, 21)]  # dummies fill a site's lists up
INCIDENTS = ("fork", "rollback", "stale", "witness-lost", "witness-faulty", "bad-update", "bad-sum",
             "left-out", "policy", "anchor")


# ---- verifier keys


def key_id(name, kind, key):
    return wire.sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def parse_vkey(text, kind, what):
    """(name, id, key) of name+id+base64(type || key)."""
    parts = text.split("+", 2)
    require(len(parts) == 3 and parts[0] and len(text) <= 4096, f"{what} is not name+id+key")
    data = wire.decode64(parts[2], what, 33)
    require(data[0] == kind, f"{what} has the type {data[0]}, not {kind}")
    require(parts[1] == key_id(parts[0], kind, data[1:]).hex(),
            f"{what} has an id that does not follow from its name and key")
    require(wire.is_good_key(data[1:]), f"{what} is not a canonical point of the large group")
    return parts[0], bytes.fromhex(parts[1]), data[1:]


# ---- entries


@dataclass
class NameList:
    n: int
    items: list
    annex: bytes = None


@dataclass
class Entry:
    index: int
    leaf: bytes
    raw: dict
    type: str
    by: str
    key: bytes
    t: int
    study: str
    body: dict = field(default_factory=dict)


def read_list(fields, key, read_item):
    inner = Fields(fields.take(key, dict), f"{fields.what}: {key}")
    n = inner.integer("n")
    if inner.has("annex"):
        result = NameList(n, [], inner.digest("annex"))
        require(n > LIST_LIMIT, f"{inner.what} has an annex for {n} items")
    else:
        items = inner.take("items", list)
        require(len(items) == n and n <= LIST_LIMIT, f"{inner.what} does not hold its n items")
        result = NameList(n, [read_item(item, inner.what) for item in items])
    inner.finish()
    return result


def _name(item, what):
    require(isinstance(item, str) and wire.NAME.match(item), f"{what} holds what is not a name")
    return item


def read_names(fields, key):
    names = read_list(fields, key, _name)
    require(len(set(names.items)) == len(names.items), f"{fields.what}: {key} names one twice")
    return names


def _metric(item, what):
    inner = Fields(item, what)
    inner.text("name"), inner.decimal("value"), inner.integer("n")
    inner.finish()
    return item


def _pin(item, what):
    inner = Fields(item, what)
    pin = (inner.name("site"), inner.digest("active_root"),
           inner.digest("batch") if inner.has("batch") else None)
    inner.finish()
    return pin


def _consent(fields, cohort):
    """The pin of a round-open: the active set of each site of the cohort, and of nobody else."""
    consent = _object(fields, "consent", lambda o: {
        "size": o.integer("size", 1), "root": o.digest("root"),
        "sites": read_list(o, "sites", _pin)})
    sites = consent["sites"]
    pinned = [pin[0] for pin in sites.items]
    require(sites.annex is None and cohort.annex is None and
            len(set(pinned)) == len(pinned) and sorted(pinned) == sorted(cohort.items),
            f"{fields.what} pins the active sets of other sites than its cohort")
    return consent


def _padded(fields, key):
    count = fields.integer(key)
    require(count in PADDED_COUNTS, f"{fields.what}: {key} is not a power of two from 16 to 2^20")
    return count


def _object(fields, key, read):
    inner = Fields(fields.take(key, dict), f"{fields.what}: {key}")
    result = read(inner)
    inner.finish()
    return result


def _public_key(fields, key):
    value = fields.bytes64(key, 32)
    require(wire.is_good_key(value), f"{fields.what}: {key} is no point of the large group")
    return value


def _genesis(f):
    f.text("federation")
    body = {"origin": f.text("origin"), "log_vkey": f.text("log_vkey"),
            "entry_key": _public_key(f, "entry_key"), "policy": f.digest("policy"),
            "rules": f.digest("rules"), "participants": read_names(f, "participants")}
    body["log"] = parse_vkey(body["log_vkey"], 1, "the genesis entry's log_vkey")
    require(body["log"][0] == body["origin"], "the genesis entry's log key has another name")
    require(body["log"][2] != body["entry_key"], "the genesis entry has one key for two uses")
    return body


def _join(f):
    body = {"member": f.name("member"), "role": f.text("role", ("site", "witness", "auditor")),
            "entry_key": _public_key(f, "entry_key"), "witness": None,
            "member_sig": f.bytes64("member_sig", 64)}
    if f.has("witness_vkey"):
        body["witness"] = parse_vkey(f.text("witness_vkey"), 4, f"{f.what}: witness_vkey")
    if f.has("age_recipient"):
        f.text("age_recipient")
    if f.has("cert"):
        f.digest("cert")
    return body


def _round_open(f):
    body = {"round": f.integer("round", 1), "prev": f.digest("prev"),
            "base_model": f.digest("base_model"), "cfg": f.digest("cfg"),
            "build": f.digest("build"), "cohort": read_names(f, "cohort"),
            "deadline": f.integer("deadline"), "consent": None}
    if f.has("consent"):
        body["consent"] = _consent(f, body["cohort"])
    return body


def _round_close(f):
    body = {"round": f.integer("round", 1), "prev": f.digest("prev"), "open": f.digest("open"),
            "status": f.text("status", ("ok", "aborted")), "base_model": f.digest("base_model"),
            "model": f.digest("model"), "cohort": read_names(f, "cohort"),
            "dropped": read_names(f, "dropped"), "build": f.digest("build"),
            "updates": _object(f, "updates", lambda o: (o.integer("n"), o.digest("root"))),
            "rule": _object(f, "rule", lambda o: (o.text("name"), o.digest("params"))),
            "secagg": None, "dp": None, "metrics": read_list(f, "metrics", _metric)}
    if f.has("object"):
        require(body["status"] == "ok", f"{f.what} is aborted and has a sealed copy")
        f.digest("object")
    if f.has("dp"):
        body["dp"] = _object(f, "dp", lambda o: {
            "unit": o.text("unit"), "mechanism": o.text("mechanism"),
            "epsilon": o.decimal("epsilon"), "delta": o.decimal("delta"),
            "accountant": o.text("accountant")})
    if f.has("secagg"):
        body["secagg"] = _object(f, "secagg", lambda o: {
            "suite": o.integer("suite"), "cfg": o.digest("cfg"),
            "transcript": o.digest("transcript"), "evidence": o.digest("evidence")})
    if body["status"] == "aborted":
        require(body["model"] == body["base_model"], f"{f.what} is aborted and has another model")
    else:
        require(body["secagg"] and body["cohort"].n, f"{f.what} is ok without secagg or cohort")
    require(body["updates"][0] == body["cohort"].n, f"{f.what} counts other updates than sites")
    return body


def _release(f):
    f.text("name"), f.text("version"), f.digest("files"), f.text("licence")
    if f.has("bundle"):
        f.digest("bundle")
    read_list(f, "objects", lambda item, what: item)
    return {"close": f.digest("close"), "close_index": f.integer("close_index")}


def _rotate(f):
    return {"member": f.name("member"), "use": f.text("use", ("entry",)), "old": f.digest("old"),
            "new": _public_key(f, "new"), "new_sig": f.bytes64("new_sig", 64)}


def _evaluation(f):
    metrics = read_list(f, "metrics", _metric)
    require(metrics.n > 0, f"{f.what} has no metrics")
    f.decimal("operating_point"), f.digest("dataset")
    return {"site": f.name("site"), "round": f.integer("round", 1), "model": f.digest("model")}


# type -> (reader of the fields, who may sign: "aggregator", "any", or the field that names it)
TYPES = {
    "genesis": (_genesis, "aggregator"),
    "join": (_join, "aggregator"),
    "leave": (lambda f: {"member": f.name("member"), "reason": f.text("reason"),
                         "round": f.integer("round")}, "leaver"),
    "round-open": (_round_open, "aggregator"),
    "round-close": (_round_close, "aggregator"),
    "model-release": (_release, "aggregator"),
    "incident": (lambda f: {"kind": f.text("kind", INCIDENTS), "round": f.integer("round"),
                            "about": f.text("about"), "evidence": f.digest("evidence")}, "any"),
    "key-rotate": (_rotate, "member"),
    "consent-batch": (lambda f: {"site": f.name("site"), "root": f.digest("root"),
                                 "count": _padded(f, "count"),
                                 "active_root": f.digest("active_root")}, "site"),
    "train-manifest": (lambda f: {
        "site": f.name("site"), "round": f.integer("round", 1), "open": f.digest("open"),
        "active_root": f.digest("active_root"), "manifest_root": f.digest("manifest_root"),
        "manifest_count": _padded(f, "manifest_count")}, "site"),
    "evaluation": (_evaluation, "site"),
}
NO_STUDY = ("genesis", "join", "key-rotate")
STUDY = ("round-open", "round-close", "model-release", "consent-batch", "train-manifest",
         "evaluation")


def parse_entry(index, text):
    what = f"entry {index}"
    raw = wire.parse_canonical(text, what, ENTRY_LIMIT)
    fields = Fields(raw, what)
    fields.integer("v", 1, 1)
    kind = fields.text("type")
    require(kind in TYPES, f"{what} has the unknown type \"{kind}\"")
    entry = Entry(index, wire.leaf_hash(text), raw, kind, fields.name("by"), fields.digest("key"),
                  fields.integer("t"), fields.name("study") if fields.has("study") else "")
    fields.bytes64("sig", 64)
    require(not (kind in NO_STUDY and entry.study), f"{what} names a study and is for all")
    require(not (kind in STUDY and not entry.study), f"{what} names no study")
    entry.body = TYPES[kind][0](fields)
    fields.finish()
    return entry


def is_entry_signed(entry, origin, key, prefix="hilum-entry/v1", also="sig", signature=None):
    """Ed25519 over prefix LF origin LF the canonical entry without `sig` and `also`."""
    left = {k: v for k, v in entry.raw.items() if k not in ("sig", also)}
    message = f"{prefix}\n{origin}\n".encode() + wire.canonical(left)
    if signature is None:
        signature = wire.decode64(entry.raw["sig"], f"entry {entry.index}: sig", 64)
    return wire.is_signed(key, message, signature)
