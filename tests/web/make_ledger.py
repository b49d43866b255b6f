"""Makes small logs with Python's own hashing and the `cryptography` package: an implementation of
docs/ledger.md that shares no line with Hilum, for the page's tests. Also with names that no honest
federation has.

    log = Ledger("fl.example/ledger", sites=["a", "<b>"])
    log.start()
    log.round(loss="0.5")
    log.write(folder)
"""
import base64
import hashlib
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sha256(data):
    return hashlib.sha256(data).digest()


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def b64(data):
    return base64.b64encode(data).decode()


def canonical(fields):
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf_hash(entry):
    return sha256(b"\0" + entry)


def tree_hash(leaves):
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


class Key:
    """An Ed25519 key with the fixed seed that its name gives; also of a note's signer."""

    def __init__(self, name, kind=1, seed=None):
        seed = seed or f"key of {name}"
        self.private = Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()))
        self.public = self.private.public_key().public_bytes_raw()
        self.name, self.kind = name, kind
        typed = bytes([kind]) + self.public
        self.id = sha256(name.encode() + b"\n" + typed)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(typed)}"
        self.digest = hashlib.sha256(self.public).hexdigest()

    def line(self, signature):
        return f"\u2014 {self.name} {b64(self.id + signature)}\n"

    def sign_note(self, text):
        return self.line(self.private.sign(text.encode()))

    def cosign(self, text, time_s):
        message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
        return self.line(struct.pack(">Q", time_s) + self.private.sign(message))


class Ledger:
    def __init__(self, origin, sites, time_s=1767000000, study="cxr-1"):
        self.origin, self.sites, self.study, self.time_s = origin, sites, study, time_s
        self.log_key = Key(origin)
        self.server = Key("server")
        self.site_keys = {site: Key(f"entry of {site}") for site in sites}
        self.witnesses = {site: Key(f"{origin}/witness/{number}", kind=4)
                          for number, site in enumerate(sites)}
        self.entries = []
        self.round_number, self.prev, self.model = 0, None, digest("model 0")

    def sign(self, fields, signer=None, by="server"):
        signer = signer or self.server
        fields = {"v": 1, "by": by, "key": signer.digest,
                  "t": self.time_s + len(self.entries), **fields}
        message = f"hilum-entry/v1\n{self.origin}\n".encode() + canonical(fields)
        return canonical({**fields, "sig": b64(signer.private.sign(message))})

    def add(self, fields, signer=None, by="server"):
        self.entries.append(self.sign(fields, signer, by))
        return leaf_hash(self.entries[-1]).hex()

    def start(self):
        self.prev = self.add({
            "type": "genesis", "federation": "fl.example", "origin": self.origin,
            "log_vkey": self.log_key.vkey, "entry_key": b64(self.server.public),
            "policy": digest("policy"), "rules": digest("rules"),
            "participants": {"items": [], "n": 0}})
        for site in self.sites:
            fields = {"v": 1, "by": "server", "key": self.server.digest,
                      "t": self.time_s + len(self.entries), "type": "join", "member": site,
                      "role": "site", "entry_key": b64(self.site_keys[site].public),
                      "witness_vkey": self.witnesses[site].vkey}
            message = f"hilum-join/v1\n{self.origin}\n".encode() + canonical(fields)
            self.add({**fields, "member_sig": b64(self.site_keys[site].private.sign(message))})

    def round(self, loss="0.5", away=(), status="ok", **changed):
        """An open and its close. `changed` replaces fields of the close."""
        self.round_number += 1
        listed = lambda names: {"items": list(names), "n": len(names)}
        opened = {"type": "round-open", "study": self.study, "round": self.round_number,
                  "prev": self.prev, "base_model": self.model, "cfg": digest("cfg"),
                  "build": digest("build"), "cohort": listed(self.sites),
                  "deadline": self.time_s + 3600}
        open_leaf = self.add(opened)
        model = digest(f"model {self.round_number}") if status == "ok" else self.model
        counted = [site for site in self.sites if site not in away and status == "ok"]
        close = {"type": "round-close", "study": self.study, "round": self.round_number,
                 "prev": self.prev, "open": open_leaf, "status": status,
                 "base_model": self.model, "model": model, "cohort": listed(counted),
                 "dropped": listed([s for s in self.sites if s not in counted]),
                 "updates": {"n": len(counted), "root": digest("updates")},
                 "rule": {"name": "fedavg", "params": digest("rule")}, "build": digest("build"),
                 "metrics": {"items": [{"name": "train_loss", "n": 120, "value": loss}], "n": 1},
                 **changed}
        self.prev = self.add(close)
        self.model = model

    def checkpoint(self, cosigners=None, size=None, time_s=None):
        size = len(self.entries) if size is None else size
        root = tree_hash([leaf_hash(entry) for entry in self.entries[:size]])
        text = f"{self.origin}\n{size}\n{b64(root)}\n"
        lines = self.log_key.sign_note(text)
        for site in self.sites if cosigners is None else cosigners:
            lines += self.witnesses[site].cosign(text, time_s or self.time_s)
        return (text + "\n" + lines).encode()

    def policy(self, k):
        lines = [f"log {self.log_key.vkey}"]
        lines += [f"witness w{n} {self.witnesses[site].vkey}" for n, site in enumerate(self.sites)]
        members = " ".join(f"w{n}" for n in range(len(self.sites)))
        return "\n".join([*lines, f"group g {k} {members}", "quorum g", ""])

    def write(self, folder, cosigners=None):
        """The served files: checkpoint, tiles of all levels, entry bundles."""
        size = len(self.entries)
        for first in range(0, size, 256):
            part = self.entries[first:first + 256]
            bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in part)
            write(folder, "entries", first // 256, len(part), bundle)
        hashes, level = [leaf_hash(entry) for entry in self.entries], 0
        while hashes:
            for first in range(0, len(hashes), 256):
                part = hashes[first:first + 256]
                write(folder, level, first // 256, len(part), b"".join(part))
            hashes = [tree_hash(hashes[i:i + 256]) for i in range(0, len(hashes) // 256 * 256, 256)]
            level += 1
        (folder / "checkpoint").write_bytes(self.checkpoint(cosigners))


def tile_path(level, index, width):
    name = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03d}/{name}"
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def write(folder, level, index, width, data):
    path = folder / tile_path(level, index, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def verified_entry(proof, ledger):
    """The entry of a tlog-proof, checked by a walk that shares nothing with the page."""
    head, note = proof.split("\n\n", 1)
    lines = head.split("\n")
    entry = base64.b64decode(lines[1].removeprefix("extra "))
    index = int(lines[2].removeprefix("index "))
    path = [base64.b64decode(line) for line in lines[3:]]
    leaves = [leaf_hash(text) for text in ledger.entries]

    def siblings(index, part):
        if len(part) == 1:
            return []
        k = 1
        while 2 * k < len(part):
            k *= 2
        if index < k:
            return siblings(index, part[:k]) + [tree_hash(part[k:])]
        return siblings(index - k, part[k:]) + [tree_hash(part[:k])]

    assert path == siblings(index, leaves)
    assert note.encode() == ledger.checkpoint()
    return entry
