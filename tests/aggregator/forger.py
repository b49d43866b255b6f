"""An export in the hands of a server that lies: entries, objects and the round record can be
changed, and everything is hashed and signed again with the server's own keys.

Only what the server holds is used: its log key and its entry key, never a site's.
"""
import base64
import hashlib
import json
import shutil
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sha256(data):
    return hashlib.sha256(data).digest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def base64_of(data):
    return base64.b64encode(data).decode()


def label(name):
    text = b"hilum/sa/v1/" + name.encode()
    return bytes([len(text)]) + text


def named(name, message):
    return sha256(label(name) + message)


def tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:]))


def vector_root(name, data, chunk_bytes):
    chunks = [data[i:i + chunk_bytes] for i in range(0, len(data), chunk_bytes)]
    return tree([sha256(b"\0" + label(name) + struct.pack(">I", i) + chunk)
                 for i, chunk in enumerate(chunks)])


def load_key(path):
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))


class Export:
    """A copy of an export, with the server's keys."""

    def __init__(self, source, copy, keys, number):
        shutil.copytree(source, copy)
        self.folder, self.number = Path(copy), number
        self.log_key, self.entry_key = load_key(keys / "log.key"), load_key(keys / "entry.key")
        self.entries = [json.loads(text) for text in self._texts()]
        self.leaves = [sha256(b"\0" + canonical(entry)) for entry in self.entries]
        self.old_leaves = list(self.leaves)
        self.origin = self.entries[0]["origin"]

    # ---- the log

    def _bundles(self):
        return sorted((self.folder / "log/tile/entries").rglob("[0-9]*"))

    def _texts(self):
        files = [path for path in self._bundles() if path.is_file()]
        assert len(files) == 1, "the forger knows logs of less than 256 entries"
        data, at, texts = files[0].read_bytes(), 0, []
        while at < len(data):
            length = struct.unpack_from(">H", data, at)[0]
            texts.append(data[at + 2:at + 2 + length])
            at += 2 + length
        return texts

    def entry_of(self, kind, number=None, study=None):
        study = study or self.study
        return next(e for e in self.entries if e["type"] == kind and e["study"] == study and
                    e["round"] == (number or self.number))

    @property
    def close(self):
        return self.entry_of("round-close")

    @property
    def open(self):
        return self.entry_of("round-open")

    def sign_entry(self, entry, key=None):
        entry.pop("sig", None)
        message = b"hilum-entry/v1\n" + self.origin.encode() + b"\n" + canonical(entry)
        entry["sig"] = base64_of((key or self.entry_key).sign(message))

    def write(self, sign_with=None, relink=True):
        """Signs the aggregator's entries again, links them, and writes log and checkpoint."""
        moved, texts, leaves = {}, [], []
        for i, entry in enumerate(self.entries):
            before = canonical(entry)
            if relink:
                for old, new in moved.items():
                    before = before.replace(old.encode(), new.encode())
            fresh = json.loads(before)
            if "consent" in fresh:  # the pin of a round-open: of the log as it is now
                pin = fresh["consent"]
                pin["root"] = tree(leaves[:pin["size"]]).hex()
            if fresh["by"] == self.entries[0]["by"]:
                self.sign_entry(fresh, sign_with if fresh["type"] == "round-close" else None)
            text = canonical(fresh)
            leaf = sha256(b"\0" + text).hex()
            if i < len(self.old_leaves) and leaf != self.old_leaves[i].hex():
                moved[self.old_leaves[i].hex()] = leaf
            texts.append(text)
            leaves.append(sha256(b"\0" + text))
        shutil.rmtree(self.folder / "log/tile")
        part = f"000.p/{len(texts)}"
        self._put(f"log/tile/entries/{part}",
                  b"".join(struct.pack(">H", len(t)) + t for t in texts))
        self._put(f"log/tile/0/{part}", b"".join(leaves))
        text = f"{self.origin}\n{len(texts)}\n{base64_of(tree(leaves))}\n"
        vkey = self.entries[0]["log_vkey"].split("+", 2)
        line = bytes.fromhex(vkey[1]) + self.log_key.sign(text.encode())
        self._put("log/checkpoint", f"{text}\n\u2014 {vkey[0]} {base64_of(line)}\n".encode())

    def _put(self, path, data):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)

    # ---- objects and the record

    def path(self, digest):
        return self.folder / "objects/sha256" / digest[:2] / digest[2:]

    def get(self, digest):
        return self.path(digest).read_bytes()

    def put(self, data):
        digest = sha256(data).hex()
        self._put(f"objects/sha256/{digest[:2]}/{digest[2:]}", data)
        return digest

    @property
    def study(self):
        return self._study

    @study.setter
    def study(self, name):
        self._study = name

    def record(self):
        return json.loads(self.get(self.close["secagg"]["evidence"]))

    def put_record(self, record):
        self.close["secagg"]["evidence"] = self.put(canonical(record))

    def cfg(self):
        return self.get(self.record()["cfg_object"])

    def config(self):
        """What the forger needs of cfg: D, b, the roster's keys, suite and rid."""
        cfg = self.cfg()
        d = struct.unpack_from(">Q", cfg, 217)[0]
        suite, b = cfg[233], cfg[234]
        n = struct.unpack_from(">I", cfg, 264)[0]
        return {"d": d, "suite": suite, "b": b, "n": n, "hash": named("cfg", cfg),
                "rid": cfg[:24] + bytes([self.record()["attempt"]]),
                "width": (b + (n - 1).bit_length() + 7) // 8}

    def server_sign(self, name, message):
        c = self.config()
        return self.entry_key.sign(label(name) + c["rid"] + b"\xff\xff" + c["hash"] + message)

    def remake_transcript(self, record):
        """T from the record's updates and sum_root; H(T) and the server's signature anew."""
        old = base64.b64decode(record["transcript"])
        c = self.config()
        members = b"".join(struct.pack(">H", u["index"]) + bytes.fromhex(u["root"]) +
                           base64.b64decode(u["sig"]) for u in record["updates"])
        t = (old[:96] + struct.pack(">I", len(record["updates"])) + members +
             struct.pack(">Q", c["d"] + 3) + bytes.fromhex(record["sum_root"]))
        digest = named("transcript", c["rid"] + c["hash"] + t)
        record["transcript"] = base64_of(t)
        record["transcript_hash"] = self.close["secagg"]["transcript"] = digest.hex()
        record["transcript_sig"] = base64_of(self.server_sign("transcript", digest))
        leaves = [sha256(b"\0" + struct.pack(">H", u["index"]) + bytes.fromhex(u["root"]) +
                         base64.b64decode(u["sig"])) for u in record["updates"]]
        self.close["updates"] = {"n": len(leaves), "root": tree(leaves).hex()}

    def sums(self, record, replaced=None):
        """S of the record's stored vectors."""
        total = None
        for update in record["updates"]:
            data = self.get(update["object"])
            words = struct.unpack(f"<{len(data) // 4}I", data)
            total = list(words) if total is None else [a + b for a, b in zip(total, words)]
        return total

    def pack_sum(self, sums):
        width = self.config()["width"]
        return b"".join(s.to_bytes(width, "little") for s in sums)
