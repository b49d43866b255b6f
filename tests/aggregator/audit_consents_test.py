"""Consents, manifests and evaluations before the readers that are not Hilum's: docs/audit and
docs/verify. The log is tests/vectors/ledger/consent.json, and what a server could log instead.
"""
import base64
import json
import struct
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "docs/audit"), str(ROOT / "docs/verify")]
# pylint: disable=wrong-import-position
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

import ledger  # noqa: E402
import verify_export  # noqa: E402
import wire  # noqa: E402


def b64(data):
    return base64.b64encode(data).decode()


class Consents(unittest.TestCase):
    def setUp(self):
        path = ROOT / "tests/vectors/ledger/consent.json"
        self.vector = json.loads(path.read_text(encoding="utf-8"))
        self.entries = [json.loads(text) for text in self.vector["entries"]]
        self.keys = {name: Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
                     for name, seed in (("log", 0x31), ("server", 0x32), ("hospital-a", 0x21))}

    def at(self, kind, nth=0):
        return [i for i, entry in enumerate(self.entries) if entry["type"] == kind][nth]

    def texts(self, n=None):
        """The first n entries, each signed again where it was changed."""
        texts, origin = [], self.vector["origin"]
        for entry, old in zip(self.entries[:n], self.vector["entries"]):
            if wire.canonical(entry) != old.encode():
                entry.pop("sig")
                message = f"hilum-entry/v1\n{origin}\n".encode() + wire.canonical(entry)
                entry["sig"] = b64(self.keys[entry["by"]].sign(message))
            texts.append(wire.canonical(entry))
        return texts

    def log(self, n=None):
        texts, origin = self.texts(n), self.vector["origin"]
        leaves = [wire.leaf_hash(text) for text in texts]
        text = f"{origin}\n{len(texts)}\n{b64(wire.tree_root(leaves))}\n"
        name, ident, _ = self.vector["log_vkey"].split("+", 2)
        line = b64(bytes.fromhex(ident) + self.keys["log"].sign(text.encode()))
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for path, data in (
                    ("entries", b"".join(struct.pack(">H", len(t)) + t for t in texts)),
                    ("0", b"".join(leaves))):
                (folder / f"tile/{path}/000.p").mkdir(parents=True)
                (folder / f"tile/{path}/000.p/{len(texts)}").write_bytes(data)
            (folder / "checkpoint").write_bytes(f"{text}\n\u2014 {name} {line}\n".encode())
            return ledger.Log(folder)

    def refused(self, at, sentence, **change):
        good = self.entries[at]
        self.entries[at] = good | change
        with self.assertRaisesRegex(wire.Wrong, sentence):
            self.log(at + 1)
        if "consent" in change and sentence not in ("other sites than its cohort",
                                                    "sig is unknown"):
            with self.assertRaisesRegex(verify_export.Fault, "pin"):
                self.verify(at + 1)
        self.entries[at] = good

    def verify(self, n=None):
        """The other reader, of docs/verify."""
        texts = self.texts(n)
        leaves = [wire.leaf_hash(text) for text in texts]
        verify_export.check_entries(self.vector["origin"], texts, leaves)

    def test_the_vector_is_a_good_log(self):
        self.verify()
        self.assertEqual([leaf.hex() for leaf in self.log().leaves], self.vector["leaf_hashes"])
        self.assertEqual(ledger.NO_PATIENTS.hex(),
                         "6d282507c27ea20c5750e539a6df0537b020dc4f28ddcb3b02489138a1852cfb")

    def test_a_pin_is_of_the_sites_newest_batch(self):
        at = self.at("round-open")
        older, newest = (self.entries[self.at("consent-batch", i)] for i in (0, 1))
        old_leaf = self.vector["leaf_hashes"][self.at("consent-batch", 0)]
        consent = self.entries[at]["consent"]
        site = consent["sites"]["items"][0]

        def pin(sites, **change):
            return {"consent": consent | {"sites": {"n": len(sites), "items": sites}} | change}
        newest_one = "does not pin the newest"
        self.refused(at, newest_one, **pin([site | {"batch": old_leaf}]))
        self.refused(at, newest_one, **pin([site | {"active_root": older["active_root"]}]))
        self.refused(at, newest_one, **pin([site | {"active_root": older["active_root"],
                                                    "batch": old_leaf}]))
        self.refused(at, newest_one, **pin([{"site": "hospital-a",
                                             "active_root": newest["active_root"]}]))
        shorter = wire.tree_root([bytes.fromhex(h) for h in self.vector["leaf_hashes"][:3]])
        self.refused(at, newest_one, **pin([site], size=3, root=shorter.hex()))
        self.refused(at, "not of this log", **pin([site], root="00" * 32))
        self.refused(at, "not of this log", **pin([site], size=at + 1))
        self.refused(at, "other sites than its cohort", **pin([site | {"site": "hospital-b"}]))
        self.refused(at, "other sites than its cohort", **pin([]))
        self.refused(at, "sig is unknown", **pin([site | {"sig": "A" * 86 + "=="}]))

    def test_a_site_without_a_batch_has_no_patients(self):
        at = self.at("round-open")
        for batch in (self.at("consent-batch", 1), self.at("consent-batch", 0)):
            for part in (self.entries, self.vector["entries"], self.vector["leaf_hashes"]):
                del part[batch]
        at = self.at("round-open")
        leaves = [bytes.fromhex(leaf) for leaf in self.vector["leaf_hashes"][:at]]
        for root, good in ((ledger.NO_PATIENTS, True), (bytes(32), False)):
            self.entries[at]["consent"] = {
                "size": at, "root": wire.tree_root(leaves).hex(), "sites": {"n": 1, "items": [
                    {"site": "hospital-a", "active_root": root.hex()}]}}
            if good:
                self.log(at + 1)
                continue
            with self.assertRaisesRegex(wire.Wrong, "logged no consent-batch"):
                self.log(at + 1)

    def test_what_sites_log(self):
        first = self.entries[self.at("consent-batch")]
        at = self.at("consent-batch", 1)
        self.refused(at, "repeats an earlier batch", root=first["root"])
        self.refused(at, "power of two", count=17)
        self.refused(at, "may not sign", site="server")
        at = self.at("train-manifest")
        self.refused(at, "another active set", active_root=first["active_root"])
        self.refused(at, "not of the open round", open="00" * 32)
        self.refused(at, "not of the open round", round=2)
        at = self.at("evaluation")
        self.refused(at, "not of the model", model="00" * 32)
        self.refused(at, "has no metrics", metrics={"n": 0, "items": []})
        self.refused(self.at("incident"), "kind is", kind="rumour")


if __name__ == "__main__":
    unittest.main()
