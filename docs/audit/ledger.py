"""The log: checkpoint, tiles, members and the chain of rounds (docs/wire.md, section 6)."""
import struct
from dataclasses import dataclass, field

import wire
from entries import ENTRY_LIMIT, TYPES, is_entry_signed, parse_entry
from wire import Wrong, require

NOTE_LIMIT = 512 << 10
ROTATION_DELAY_S = 86_400
TILE = 256
# The active set without patients: its two sentinels, pids of 64 zeros and of 64 f.
NO_PATIENTS = wire.tree_root([wire.leaf_hash(b"hilum-active/v1\n" + digit * 64)
                              for digit in (b"0", b"f")])
MAX_ENTRIES = 1 << 24


# ---- signed notes


def parse_note(data):
    """(text, [(name, id, signature)]) of a signed note."""
    require(len(data) <= NOTE_LIMIT, "the signed note is longer than 512 KiB")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong("the signed note is not UTF-8") from None
    require(all(c >= " " or c == "\n" for c in note), "the signed note has a control character")
    text, gap, rest = note.rpartition("\n\n")
    require(gap and rest.endswith("\n"), "the signed note has no signature lines after a gap")
    lines = rest[:-1].split("\n")
    require(len(lines) <= 100, "the signed note has more than 100 signature lines")
    signatures = []
    for line in lines:
        words = line.split(" ")
        require(len(words) == 3 and words[0] == "\u2014" and words[1] and "+" not in words[1],
                "the signed note has a malformed signature line")
        raw = wire.decode64(words[2], "a signature line")
        require(len(raw) >= 5, "the signed note has a short signature line")
        signatures.append((words[1], raw[:4], raw[4:]))
    return text + "\n", signatures


def parse_checkpoint(text):
    """(origin, size, root) of the three lines of a checkpoint."""
    lines = text[:-1].split("\n")
    require(len(lines) == 3 and lines[0], "the checkpoint does not have exactly three lines")
    digits = lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1]
    require(digits and 1 <= int(lines[1]) <= MAX_ENTRIES,
            "the checkpoint's size is not a number from 1 to 2^24")
    return lines[0], int(lines[1]), wire.decode64(lines[2], "the checkpoint's root", 32)


def check_note_signature(text, signatures, vkey):
    name, ident, key = vkey
    own = [signature for line, number, signature in signatures if (line, number) == (name, ident)]
    require(own, f"the checkpoint has no signature of {name}")
    require(len(own) == 1, f"the checkpoint has two signatures of {name}")
    require(wire.is_signed(key, text.encode(), own[0]),
            f"the checkpoint's signature of {name} does not verify")


def cosigners(text, signatures, members):
    """Names of members whose witnesses cosigned; a bad line of one is refused."""
    names = []
    for name, member in sorted(members.items()):
        if member.witness is None:
            continue
        own = [s for line, number, s in signatures if (line, number) == member.witness[:2]]
        require(len(own) <= 1, f"the checkpoint has two cosignatures of {member.witness[0]}")
        for signature in own:
            time_s = int.from_bytes(signature[:8], "big")
            message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
            require(len(signature) == 72 and 1 <= time_s < 2**63 and
                    wire.is_signed(member.witness[2], message, signature[8:]),
                    f"the cosignature of {member.witness[0]} does not verify")
            names.append(name)
    return names


# ---- tiles


def tile_path(level, index, width):
    name = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03d}/{name}"
    return f"tile/{level}/{name}" + ("" if width == TILE else f".p/{width}")


def tiles_of(n):
    """[(index, width)] of a level with n hashes, or of n entries."""
    return [(i, min(TILE, n - i * TILE)) for i in range((n + TILE - 1) // TILE)]


def read_tile(folder, level, index, width, limit):
    """The bytes of a tile, and whether it is the full one: that replaces a partial one."""
    for found in (width, TILE):
        path = folder / tile_path(level, index, found)
        if path.is_file():
            require(path.stat().st_size <= limit, f"{path.name} is longer than {limit} bytes")
            return path.read_bytes(), found
    raise Wrong(f"the file {tile_path(level, index, width)} of the log is missing")


def read_entries(folder, size):
    texts = []
    for index, width in tiles_of(size):
        name = tile_path("entries", index, width)
        data, found = read_tile(folder, "entries", index, width, TILE * (ENTRY_LIMIT + 2))
        at, bundle = 0, []
        while at + 2 <= len(data) and len(bundle) < found:
            length = struct.unpack_from(">H", data, at)[0]
            bundle.append(data[at + 2:at + 2 + length])
            at += 2 + length
        require(at == len(data) and len(bundle) == found, f"{name} is not {found} whole entries")
        texts += bundle[:width]
    return texts


def check_tiles(folder, leaf_hashes):
    hashes, level = leaf_hashes, 0
    while hashes:
        for index, width in tiles_of(len(hashes)):
            data, found = read_tile(folder, level, index, width, TILE * 32)
            require(len(data) == found * 32, f"{tile_path(level, index, width)} has another length")
            for i in range(width):
                require(data[32 * i:32 * i + 32] == hashes[index * TILE + i],
                        f"{tile_path(level, index, width)} has another hash {i} than the entries "
                        "give")
        full = len(hashes) // TILE
        hashes = [wire.tree_root(hashes[i * TILE:(i + 1) * TILE]) for i in range(full)]
        level += 1


# ---- members and rounds


@dataclass
class Member:
    role: str
    key: bytes
    witness: tuple = None
    past: list = field(default_factory=list)  # (key, index of the first entry it may not sign)
    next: list = None  # [key, seconds of the aggregator's first entry behind the rotation]
    left: set = field(default_factory=set)  # studies; "" is the federation

    def is_active(self, study):
        return "" not in self.left and study not in self.left

    def key_at(self, index):
        for key, until in self.past:
            if index < until:
                return key
        return self.key


@dataclass
class Study:
    round: int = 0
    prev: bytes = b""
    model: bytes = None
    open: object = None  # the entry that opened a round
    pairs: dict = field(default_factory=dict)  # round -> (open, close or None)
    pinned_size: int = 0  # consents of an earlier index count in the last round that opened
    batches: dict = field(default_factory=dict)  # site -> its newest consent-batch
    manifests: set = field(default_factory=set)  # sites that logged one for the open round


class Log:
    """A verified log: its entries, members and rounds."""

    def __init__(self, folder, pinned_vkey=None):
        text, signatures = parse_note(_read(folder / "checkpoint", NOTE_LIMIT))
        self.origin, self.size, root = parse_checkpoint(text)
        texts = read_entries(folder, self.size)
        self.members, self.studies, self.used = {}, {}, set()
        self.closed, self.entries, self.aggregator, self.batch_roots = {}, [], "", set()
        self.leaves, self.tree = [], wire.GrowingTree()
        for index, one in enumerate(texts):
            entry = parse_entry(index, one)
            if index == 0:
                self._take_genesis(entry, pinned_vkey)
                check_note_signature(text, signatures, entry.body["log"])
            else:
                self._check(entry)
            self._apply(entry)
            self.entries.append(entry)
            self.leaves.append(entry.leaf)
            self.tree.append(entry.leaf)
        require(wire.tree_root(self.leaves) == root,
                f"the {self.size} entries give another root than the checkpoint has")
        check_tiles(folder, self.leaves)
        self.cosigned_by = cosigners(text, signatures, self.members)

    def _take_genesis(self, entry, pinned_vkey):
        require(entry.type == "genesis", f"entry 0 is a {entry.type}, not the genesis")
        body = entry.body
        require(body["origin"] == self.origin, "the checkpoint is of another log than the genesis")
        require(pinned_vkey in (None, body["log_vkey"]),
                f"the genesis has the log key {body['log_vkey']}, pinned is {pinned_vkey}")
        self.genesis, self.log_vkey, self.aggregator = entry.leaf, body["log_vkey"], entry.by
        self.used |= {body["entry_key"], body["log"][2]}
        self.members[entry.by] = Member("aggregator", body["entry_key"])
        require(entry.key == wire.sha256(body["entry_key"]) and
                is_entry_signed(entry, self.origin, body["entry_key"]),
                "the genesis entry is not signed by its own entry key")

    def _check(self, entry):
        what = f"entry {entry.index}"
        member = self.members.get(entry.by)
        require(member is not None and member.is_active(entry.study),
                f"{what}: \"{entry.by}\" is no member at this index, or has left")
        require(entry.key == wire.sha256(member.key),
                f"{what} names a key that is not {entry.by}'s at this index")
        require(entry.type != "genesis", f"{what} is a second genesis")
        who = TYPES[entry.type][1]
        allowed = {"aggregator": entry.by == self.aggregator, "any": True,
                   "leaver": entry.by in (self.aggregator, entry.body.get("member"))}
        require(allowed[who] if who in allowed else entry.by == entry.body[who],
                f"{what}: \"{entry.by}\" may not sign this {entry.type}")
        require(is_entry_signed(entry, self.origin, member.key),
                f"{what}: the signature of {entry.by} does not verify")
        check = {"join": self._check_join, "key-rotate": self._check_rotate,
                 "leave": self._check_leave, "round-open": self._check_open,
                 "round-close": self._check_close, "model-release": self._check_release,
                 "consent-batch": self._check_batch, "train-manifest": self._check_manifest,
                 "evaluation": self._check_evaluation}
        require(who != "site" or member.role == "site", f"{what}: {entry.by} is no site")
        if entry.type in check:
            check[entry.type](entry, what)

    def _check_join(self, entry, what):
        body = entry.body
        require(body["member"] not in self.members, f"{what}: the name is taken")
        fresh = {body["entry_key"]} | ({body["witness"][2]} if body["witness"] else set())
        require(not fresh & self.used and len(fresh) == 1 + bool(body["witness"]),
                f"{what}: a key of {body['member']} is in use already")
        require(is_entry_signed(entry, self.origin, body["entry_key"], "hilum-join/v1",
                                "member_sig", body["member_sig"]),
                f"{what}: the join of {body['member']} is not signed by the key that joins")

    def _check_rotate(self, entry, what):
        body, member = entry.body, self.members[entry.by]
        require(entry.by != self.aggregator, f"{what}: the aggregator's key is not rotated")
        require(body["old"] == wire.sha256(member.key) and member.next is None and
                body["new"] not in self.used, f"{what} is a rotation that cannot be")
        require(is_entry_signed(entry, self.origin, body["new"], "hilum-rotate/v1", "new_sig",
                                body["new_sig"]), f"{what} is not signed by its new key")

    def _check_leave(self, entry, what):
        member = self.members.get(entry.body["member"])
        require(entry.body["member"] != self.aggregator and member and
                member.is_active(entry.study), f"{what}: who leaves is no member")

    def _check_open(self, entry, what):
        body, study = entry.body, self._study(entry)
        require(study.open is None, f"{what} opens a round while another is open")
        require(body["round"] == study.round + 1,
                f"{what} is of round {body['round']}, the next is {study.round + 1}")
        require(body["prev"] == study.prev, f"{what}: prev is not the round-close before it")
        require(study.model in (None, body["base_model"]),
                f"{what}: base_model is not the model of the round before")
        require(body["cohort"].n > 0, f"{what} has an empty cohort")
        for name in body["cohort"].items:
            member = self.members.get(name)
            require(member and member.is_active(entry.study) and member.role == "site",
                    f"{what}: \"{name}\" of the cohort is no site at this index")
        if body["consent"]:
            self._check_pin(entry, what, study)

    def _check_pin(self, entry, what, study):
        """It is what each site's own newest batch says, and goes back behind no earlier one."""
        pin = entry.body["consent"]
        require(pin["size"] <= entry.index and
                pin["root"] == self.tree.root(pin["size"]),
                f"{what} pins a checkpoint that is not of this log")
        require(pin["size"] >= study.pinned_size,
                f"{what} pins an older checkpoint than an earlier round: revocations are undone")
        for site, active_root, leaf in pin["sites"].items:
            newest = study.batches.get(site)
            if newest is None:
                require(leaf is None and active_root == NO_PATIENTS,
                        f"{what} pins an active set of {site}, which has logged no consent-batch")
                continue
            require(leaf == newest.leaf and active_root == newest.body["active_root"] and
                    newest.index < pin["size"],
                    f"{what} does not pin the newest consent-batch of {site}, "
                    f"entry {newest.index}")

    def _check_batch(self, entry, what):
        require(entry.body["root"] not in self.batch_roots, f"{what} repeats an earlier batch")

    def _check_manifest(self, entry, what):
        body, study = entry.body, self._study(entry)
        opened = study.open
        require(opened is not None and opened.body["round"] == body["round"] and
                opened.leaf == body["open"], f"{what} is not of the open round")
        cohort, site = opened.body["cohort"], body["site"]
        require(cohort.annex is not None or site in cohort.items,
                f"{what} is of {site}, which is not of the cohort")
        require(site not in study.manifests, f"{what} is a second manifest of {site}")
        pin = opened.body["consent"]
        for pinned, active_root, _ in pin["sites"].items if pin else ():
            require(pinned != site or active_root == body["active_root"],
                    f"{what} has another active set than the round-open pins for {site}")

    def _check_evaluation(self, entry, what):
        body = entry.body
        closed = self._study(entry).pairs.get(body["round"], (None, None))[1]
        require(closed is not None and closed.body["status"] == "ok" and
                closed.body["model"] == body["model"],
                f"{what} is not of the model that round {body['round']} closed with")

    def _check_close(self, entry, what):
        body, opened = entry.body, self._study(entry).open
        require(opened is not None, f"{what} closes a round that is not open")
        first = opened.body
        for key in ("round", "prev", "base_model"):
            require(body[key] == first[key], f"{what}: {key} is not that of its round-open")
        require(body["open"] == opened.leaf, f"{what}: open is not the round-open's leaf hash")
        require(body["secagg"] is None or body["secagg"]["cfg"] == first["cfg"],
                f"{what}: secagg.cfg is not the round-open's cfg")
        require(body["cohort"].n + body["dropped"].n == first["cohort"].n,
                f"{what} accounts for more or fewer sites than the round-open's cohort")
        lists = (body["cohort"], body["dropped"], first["cohort"])
        if all(one.annex is None for one in lists):
            require(sorted(lists[0].items + lists[1].items) == sorted(lists[2].items),
                    f"{what} accounts for other sites than the round-open's cohort")

    def _check_release(self, entry, what):
        close = self.closed.get(entry.body["close"])
        require(close and close.index == entry.body["close_index"] and
                close.study == entry.study and close.body["status"] == "ok",
                f"{what} releases what is not the model of a closed round of its study")

    def _study(self, entry):
        return self.studies.get(entry.study) or Study(prev=self.genesis)

    def _move_rotations(self, entry):
        if entry.by != self.aggregator:
            return
        for member in self.members.values():
            if member.next is None:
                continue
            if member.next[1] is None:
                member.next[1] = entry.t
            completed = entry.type == "round-close" and entry.body["status"] == "ok"
            if completed and entry.t - member.next[1] >= ROTATION_DELAY_S:
                member.past.append((member.key, entry.index + 1))
                member.key, member.next = member.next[0], None

    def _apply(self, entry):
        self._move_rotations(entry)
        body = entry.body
        if entry.type == "join":
            self.members[body["member"]] = Member(body["role"], body["entry_key"], body["witness"])
            self.used |= {body["entry_key"]} | ({body["witness"][2]} if body["witness"] else set())
        elif entry.type == "key-rotate":
            self.members[body["member"]].next = [body["new"], None]
            self.used.add(body["new"])
        elif entry.type == "leave":
            self.members[body["member"]].left.add(entry.study)
        elif entry.type == "round-open":
            study = self.studies.setdefault(entry.study, Study(prev=self.genesis))
            study.open, study.manifests = entry, set()
            study.pinned_size = body["consent"]["size"] if body["consent"] else entry.index
            study.pairs[body["round"]] = (entry, None)
        elif entry.type == "round-close":
            study = self.studies[entry.study]
            study.round, study.prev, study.model = body["round"], entry.leaf, body["model"]
            study.pairs[body["round"]] = (study.open, entry)
            study.open = None
            self.closed[entry.leaf] = entry
        elif entry.type == "consent-batch":
            study = self.studies.setdefault(entry.study, Study(prev=self.genesis))
            study.batches[body["site"]] = entry
            self.batch_roots.add(body["root"])
        elif entry.type == "train-manifest":
            self.studies[entry.study].manifests.add(body["site"])


def _read(path, limit):
    require(path.is_file(), f"the log's file {path.name} is missing")
    require(path.stat().st_size <= limit, f"the log's file {path.name} is over {limit} bytes")
    return path.read_bytes()
