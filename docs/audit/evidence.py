"""A round's documents: objects of the store, round record, plan, configuration and transcript
(docs/wire.md, sections 3 and 5)."""
import math
import struct
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

import wire
from wire import Fields, Reader, Wrong, require

RECORD_LIMIT = 4 << 20
CONFIG_LIMIT = 1 << 20
PLAN_LIMIT = 512 << 10
MODEL_LIMIT = 8 + (1 << 20) + 4 * ((1 << 32) - 3)
MAX_PARAMETERS = (1 << 32) - 3
CHUNK = 1 << 18
EXTRAS = 3
MAX_LOSS = 64 << 16  # a site's loss is at most 64, in units of 2^-16
SHORTEST_CONFIG = 337  # bytes of cfg without its roster
ROUNDING_BETA = math.exp(-0.5)  # how often a site may draw its rounding again (privacy by silo)


def differs(what, computed, recorded):
    """The sentence of every comparison."""
    show = (lambda v: v.hex()) if isinstance(computed, bytes) else str
    require(computed == recorded,
            f"{what} is {show(computed)} when computed again, {show(recorded)} on record")


class Objects:
    """The content-addressed store of an export. Nothing passes whose hash is not its name."""

    def __init__(self, folder):
        self.folder, self.read_bytes = folder, 0

    def path(self, what, digest, limit):
        name = digest.hex()
        path = self.folder / "sha256" / name[:2] / name[2:]
        require(path.is_file(), f"{what}: the object {name} is missing")
        size = path.stat().st_size
        require(size <= limit, f"{what}: the object {name} has {size} bytes, the limit is {limit}")
        return path

    def get(self, what, digest, limit):
        data = self.path(what, digest, limit).read_bytes()
        require(wire.sha256(data) == digest, f"{what}: the object {digest.hex()} hashes otherwise")
        self.read_bytes += len(data)
        return data

    def chunks(self, what, digest, size, chunk_bytes):
        """Pieces of an object of exactly `size` bytes; after the last one its hash is compared."""
        path = self.path(what, digest, size)
        require(path.stat().st_size == size,
                f"{what}: the object has {path.stat().st_size} bytes, the round's have {size}")
        whole = wire.hashlib.sha256()
        with path.open("rb") as file:
            for at in range(0, size, chunk_bytes):
                piece = file.read(min(chunk_bytes, size - at))
                whole.update(piece)
                yield piece
        require(whole.digest() == digest, f"{what}: the object {digest.hex()} hashes otherwise")
        self.read_bytes += size

    def names(self, what, listed):
        if listed.annex is None:
            return listed.items
        text = self.get(what, listed.annex, CONFIG_LIMIT)
        try:
            names = wire.json.loads(text)
        except ValueError:
            names = None
        good = isinstance(names, list) and wire.canonical(names) == text and all(
            isinstance(name, str) and wire.NAME.match(name) for name in names)
        require(good and len(names) == listed.n, f"{what}: the annex does not hold its names")
        return names


# ---- the round record


@dataclass
class Update:
    index: int
    root: bytes
    signature: bytes
    object: bytes


@dataclass
class Record:
    fields: dict  # the digests by name
    attempt: int
    transcript: bytes
    signature: bytes
    updates: list
    dropped: list
    masked: dict  # None in an open round
    moments: tuple  # addresses of the server's moments before and after; None: it keeps none


DIGESTS = ("cfg", "cfg_object", "plan", "transcript_hash", "sum_root", "ring_root", "base_model",
           "model")
MESSAGES = ("key_list", "u1", "u2", "complaints", "votes", "opening")


def _update(item):
    f = Fields(item, "the record's updates")
    update = Update(f.integer("index", 0, 0xFFFF), f.digest("root"), f.bytes64("sig", 64),
                    f.digest("object"))
    f.finish()
    return update


def _masked(value):
    f = Fields(value, "the record's secagg")
    masked = {name: f.bytes64(name) for name in MESSAGES}
    masked["sum_object"] = f.digest("sum_object")
    f.finish()
    return masked


def _moments(value):
    f = Fields(value, "the record's optimiser")
    moments = f.digest("before"), f.digest("after")
    f.finish()
    return moments


def read_record(data, job, number):
    f = Fields(wire.parse_canonical(data, "the round record", RECORD_LIMIT), "the round record")
    f.integer("v", 1, 1)
    require(f.text("job") == job and f.integer("round", 1) == number,
            "the round record is of another job or round")
    record = Record({name: f.digest(name) for name in DIGESTS}, f.integer("attempt", 0, 7),
                    f.bytes64("transcript"), f.bytes64("transcript_sig", 64),
                    [_update(item) for item in f.take("updates", list)], f.take("dropped", list),
                    _masked(f.take("secagg", dict)) if f.has("secagg") else None,
                    _moments(f.take("optimiser", dict)) if f.has("optimiser") else None)
    f.finish()
    indices = [update.index for update in record.updates]
    good = all(isinstance(i, int) and not isinstance(i, bool) for i in record.dropped)
    require(good and all(a < b for part in (indices, record.dropped)
                         for a, b in zip(part, part[1:])),
            "the round record does not list its sites in ascending order")
    return record


# ---- the plan

# What enters the arithmetic. Sections and fields that say how sites train are not looked at; an
# unknown field here is refused, since it could change the sum.
AGGREGATION_MASKED = ("suite", "c_max", "drop_max", "quorum", "u_min")
SECTIONS = {"v", "job", "rounds", "seed", "model", "training", "strategy", "cohort", "aggregation",
            "privacy", "spec"}
MOMENTS = ("fedadagrad", "fedadam", "fedyogi")  # optimizers 1, 2 and 3 of cfg
RULES = ("median", "trimmed-mean", "krum", "multi-krum", "bulyan", "geometric-median",
         "centred-clipping")


def read_tensors(items):
    """[(name, shape)] of the spec, and the number of parameters."""
    tensors, total = [], 0
    require(1 <= len(items) <= 4096, "the plan's spec has no tensors or more than 4096")
    for item in items:
        f = Fields(item, "a tensor of the plan's spec")
        name, shape = f.text("name"), f.take("shape", list)
        f.finish()
        size = 1
        for extent in shape:
            require(isinstance(extent, int) and not isinstance(extent, bool) and extent >= 1 and
                    size * extent <= MAX_PARAMETERS, "a tensor of the plan's spec is too large")
            size *= extent
        require(len(shape) <= 8 and 1 <= len(name) <= 255 and name != "__metadata__" and
                all(" " <= c <= "~" for c in name), "a tensor of the plan's spec is malformed")
        tensors.append((name, shape, size))
        total += size
    require(total <= MAX_PARAMETERS, "the plan's spec has more than 2^32 - 3 parameters")
    require(len({t[0] for t in tensors}) == len(tensors), "two tensors of the spec share a name")
    return tensors, total


def _within(f, key, least, most):
    value = f.decimal(key)
    require(least <= value <= most, f"{f.what}: {key} is {value}, the range is {least} to {most}")
    return value


def read_strategy(value, real):
    """Its reals go into `real`."""
    f = Fields(value, "the plan's strategy")
    name = f.text("name", ("fedavg", "fedprox", "fednova", *MOMENTS))
    real["eta"] = _within(f, "server_learning_rate", 0, 10)
    require(real["eta"] > 0, "the plan has a learning rate that is not above 0")
    if name in MOMENTS:
        real["beta1"] = _within(f, "beta1", 0, 0.9999)
        real["beta2"] = _within(f, "beta2", 0, 0.99999)
        real["tau"] = _within(f, "tau", 0, 1)
        require(real["tau"] > 0, "the plan has a tau that is not above 0")
    if f.has("rule"):
        f.text("rule", RULES), f.integer("n_faulty", 0, 500)
        real["clip_radius"] = _within(f, "clip_radius", 0, 1e6)
    f.finish()


def read_privacy(value, real, is_masked):
    """None without the section: nothing is claimed."""
    f = Fields(value, "the plan's privacy")
    unit = f.text("unit", ("silo", "record"))
    real["sigma"], real["delta"] = _within(f, "sigma", 0.3, 1000), _within(f, "delta", 1e-12, 0.01)
    if unit == "record":
        _within(f, "sample_rate", 0, 1), f.integer("steps", 1, 1_000_000)
        _within(f, "sample_clip", 0, 1e6)
    f.finish()
    require(unit == "record" or is_masked, "the plan has noise of silos and no masks")


def read_plan(data):
    """The plan as a dict, with its reals in `real` and its tensors in `tensors`."""
    plan = wire.parse_canonical(data, "the round plan", PLAN_LIMIT)
    f = Fields(plan, "the round plan")
    f.integer("v", 1, 1), f.name("job")
    unknown = sorted(set(plan) - SECTIONS)
    require(not unknown, f"the round plan: the field {', '.join(unknown)} is unknown")
    a = Fields(f.take("aggregation", dict), "the plan's aggregation")
    if a.text("mode", ("open", "masked")) == "masked":
        for key in AGGREGATION_MASKED:
            a.text(key, ("aes256-ctr", "chacha20")) if key == "suite" else a.integer(key, 0, 500)
    a.integer("ring_bits", 16, 32), a.integer("value_bits", 0, 31)
    a.integer("max_weight", 1, 1_000_000)
    real = {"clip": _within(a, "clip_l2", 0, 1e6), "range": a.decimal("range")}
    require(real["clip"] > 0 and 0 <= real["range"] <= real["clip"],
            "the plan has a clip that is not above 0, or a range beyond it")
    a.finish()
    read_strategy(f.take("strategy", dict), real)
    if f.has("privacy"):
        read_privacy(f.take("privacy", dict), real, plan["aggregation"]["mode"] == "masked")
    cohort = Fields(f.take("cohort", dict), "the plan's cohort")
    for key in ("deadline_s", "grace_s", "minimum"):
        cohort.integer(key, 0, 30 * 86_400)
    spec = Fields(f.take("spec", dict), "the plan's spec")
    spec.text("architecture")
    plan["tensors"], plan["n_params"] = read_tensors(spec.take("tensors", list))
    spec.finish()
    plan["real"] = real
    return plan


def shortest_decimal(value):
    """The shortest decimal that reads back as the same double, without an exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rule_name(plan):
    strategy = plan["strategy"]
    return f"{strategy['name']}-{strategy['rule']}" if "rule" in strategy else strategy["name"]


def rule_digest(plan):
    """SHA-256 of the plan's strategy, its reals in their shortest form."""
    real = plan["real"] | {"server_learning_rate": plan["real"]["eta"]}
    return wire.sha256(wire.canonical({
        key: shortest_decimal(real[key]) if key in real else value
        for key, value in plan["strategy"].items()}))


# ---- the configuration


@dataclass
class Config:
    bytes: bytes
    federation_id: bytes
    round: int
    ledger_head: bytes
    model_hash: bytes
    n_params: int
    suite: int
    b: int
    scale: float
    max_weight: int
    keys: list
    c_max: int
    drop_max: int
    quorum: int
    u_min: int
    mode: int
    moments: bytes  # address of the server's moments before the round; zeros: none
    is_private: bool
    epsilon_before: float

    @property
    def n(self):
        return len(self.keys)

    @property
    def n_coords(self):
        return self.n_params + EXTRAS

    @property
    def hash(self):
        return wire.labelled_hash("cfg", self.bytes)

    @property
    def min_count(self):
        return max(self.quorum, self.u_min)

    def packed_bytes(self, n_words):
        """Bytes of the words of a chunk."""
        return (n_words * self.b + 7) // 8

    @property
    def vector_bytes(self):
        whole, rest = divmod(self.n_coords, CHUNK)
        return whole * self.packed_bytes(CHUNK) + self.packed_bytes(rest)

    @property
    def sum_width(self):
        """Bytes of a coordinate of S."""
        return (self.b + (self.n - 1).bit_length() + 7) // 8

    def rid(self, attempt):
        return self.federation_id + wire.u64(self.round) + bytes([attempt])

    def signed(self, name, attempt, sender, message):
        """What Sign(label, m) is made over."""
        return wire.label(name) + self.rid(attempt) + wire.u16(sender) + self.hash + message


def unpack(piece, n_words, b, what):
    """The words of a chunk: b bits each, the lowest first."""
    if b == 32:
        return np.frombuffer(piece, "<u4").astype(np.uint64)
    bits = np.unpackbits(np.frombuffer(piece, np.uint8), bitorder="little")
    require(not bits[n_words * b:].any(), f"{what} has a bit set that belongs to no word")
    words = np.zeros(n_words, np.uint64)
    for i, column in enumerate(bits[:n_words * b].reshape(n_words, b).T):
        words |= column.astype(np.uint64) << np.uint64(i)
    return words


def expected_config(plan, plan_digest, stored, place):
    """The bytes of cfg that plan, roster and ledger make. What stands in cfg alone is taken from
    its own bytes: the ledger head, the moments' address, epsilon before the round, audit_days."""
    aggregation, n = plan["aggregation"], len(place["keys"])
    require(len(stored) > SHORTEST_CONFIG, "the configuration ends too early")
    b, clip = aggregation["ring_bits"], plan["real"]["clip"]
    largest = plan["real"]["range"] if plan["real"]["range"] > 0 else clip
    masked = aggregation["mode"] == "masked"
    cohort = c_max, drop_max, quorum, u_min = cohort_rule(plan, n) if masked else (0, 0, 0, 0)
    b_x = value_bits(plan, n, largest, cohort)
    scale = scale_of(largest, b_x)
    suite = {"aes256-ctr": 1, "chacha20": 2}[aggregation["suite"]] if masked else 0
    architecture = wire.sha256(wire.canonical(plan["spec"]))
    model = wire.labelled_hash("model", architecture + wire.u64(plan["n_params"]) +
                               place["base_model"])
    answer_ms = plan["cohort"]["grace_s"] * 1000 if masked else 0
    name = plan["strategy"]["name"]
    optimiser = 1 + MOMENTS.index(name) if name in MOMENTS else 0
    privacy, before = private_fields(plan, stored)
    out = place["federation_id"] + wire.u64(place["round"]) + plan_digest + stored[56:88]
    out += model + architecture + bytes([optimiser]) + rule_digest(plan) + stored[185:217]
    out += struct.pack(">QIIBBBdddI", plan["n_params"], EXTRAS, CHUNK, suite, b, b_x, scale, clip,
                       largest, aggregation["max_weight"])
    out += wire.u32(n) + b"".join(wire.u16(i) + key for i, key in enumerate(place["keys"]))
    out += struct.pack(">HHHHBBH", c_max, drop_max, quorum, u_min, masked, masked, 0)
    out += privacy + struct.pack(">7I", *[answer_ms] * 4, plan["cohort"]["deadline_s"] * 1000,
                       *[answer_ms] * 2)
    return Config(out + stored[-2:], place["federation_id"], place["round"], stored[56:88], model,
                  plan["n_params"], suite, b, scale, aggregation["max_weight"], place["keys"],
                  c_max, drop_max, quorum, u_min, int(masked), stored[185:217],
                  "privacy" in plan, before)


def private_fields(plan, stored):
    """The part of cfg on differential privacy, and epsilon before the round."""
    if "privacy" not in plan:
        return bytes(27), 0.0
    before = struct.unpack(">d", stored[-38:-30])[0]
    require(0 <= before < math.inf, "the configuration's epsilon before the round is no number")
    unit = 1 if plan["privacy"]["unit"] == "silo" else 2
    return struct.pack(">BBddBd", unit, 1, plan["real"]["sigma"], plan["real"]["delta"], 1,
                       before), before


def scale_of(largest, b_x):
    return float(2 ** (b_x - 1) - 1) / largest


def noise_fits(plan, n, largest, cohort, b_x):
    """Whether the ring holds 12 standard deviations of the noise of all sites beside the values."""
    real, (c_max, _, quorum, u_min) = plan["real"], cohort
    honest = max(quorum, u_min) - c_max
    require(honest >= 1, "the plan's noise has no honest site to come from")
    length, root = scale_of(largest, b_x) * real["clip"], math.sqrt(plan["n_params"])
    always = (length + root) * (length + root)
    redrawn = (length * length + plan["n_params"] / 4 +
               math.sqrt(2 * math.log(1 / ROUNDING_BETA)) * (length + root / 2))
    noise = 12 * real["sigma"] * math.sqrt(min(always, redrawn)) * math.sqrt(n / honest)
    return math.ldexp(n, b_x - 1) + noise < math.ldexp(1, plan["aggregation"]["ring_bits"] - 1)


def value_bits(plan, n, largest, cohort):
    """b_x: the plan's, or the largest that fits."""
    b = plan["aggregation"]["ring_bits"]
    asked, most = plan["aggregation"]["value_bits"], b - (n - 1).bit_length()
    has_noise = plan.get("privacy", {}).get("unit") == "silo"
    for b_x in [asked] if asked else range(most, 1, -1):
        if 2 <= b_x <= most and (not has_noise or noise_fits(plan, n, largest, cohort, b_x)):
            return b_x
    raise Wrong("the plan's ring cannot hold the roster's sum")


def cohort_rule(plan, n):
    """c_max, drop_max, Q, u_min: the defaults, raised by what the plan asks for."""
    asked = plan["aggregation"]
    c_max = max(n // 5, asked["c_max"])
    quorum = max(2 * n // 3 + 1, (n + c_max) // 2 + 1, asked["quorum"])
    u_min = max(5, (2 * n + 2) // 3, c_max + 2, asked["u_min"], plan["cohort"]["minimum"])
    left = min(max(n - max(quorum, u_min), 0), n // 5)
    return c_max, asked["drop_max"] or left, quorum, u_min


def check_headroom(config):
    n, ring = config.n, 1 << config.b
    require(1 <= config.max_weight and n * config.max_weight < ring and n * MAX_LOSS < ring,
            "the weights or losses of the roster do not fit the ring")
    if config.mode == 0:
        return
    require(3 <= n <= wire.MAX_ROSTER and len(set(config.keys)) == n,
            "a masked round has fewer than three members, or two with one key")
    require(max(config.quorum, config.u_min) <= n and 2 * config.quorum - n > config.c_max and
            config.u_min >= config.c_max + 2,
            "the configuration's quorum or floors let colluders decide the round")


# ---- the transcript


@dataclass
class Transcript:
    bytes: bytes
    u1_hash: bytes
    u2_hash: bytes
    model_hash: bytes
    members: dict  # index -> (root, signature)
    n_coords: int
    sum_root: bytes

    def hash(self, config, attempt):
        return wire.labelled_hash("transcript", config.rid(attempt) + config.hash + self.bytes)


def read_transcript(data):
    r = Reader(data, "the transcript")
    transcript = Transcript(data, r.take(32), r.take(32), r.take(32),
                            r.list(lambda: (r.take(32), r.take(64))), r.integer(8), r.take(32))
    r.finish()
    return transcript


def check_member_signature(config, attempt, index, fields, u2_hash):
    """Sign(r2-root, H(U2) || R || D u64) of the member."""
    root, signature = fields
    message = config.signed("r2-root", attempt, index,
                            u2_hash + root + wire.u64(config.n_coords))
    if index >= config.n or not wire.is_signed(config.keys[index], message, signature):
        raise Wrong(f"member {index} did not sign the root that the transcript lists for it")
