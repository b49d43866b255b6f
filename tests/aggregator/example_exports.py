"""Writes the rounds of docs/wire.md's worked examples as exports: log, objects, and the server's
keys, without Hilum's code. They have ten coordinates, so auditors take milliseconds.

Usage: example_exports.py ROOT open|masked FOLDER
"""
import base64
import json
import re
import struct
import sys
from pathlib import Path

from wire_doc_test import canonical, compute, label, safetensors, sha256
from wire_masked_doc_test import ORIGIN, Example, N, U3, key_of, u16

STUDY, T0 = "cxr-1", 1767000000
NOTHING = {"n": 0, "items": []}
ZERO = "00" * 32
SERVER = key_of(0x12)  # the aggregator's entry key; the log's is key_of(0x11)


def b64(data):
    return base64.b64encode(data).decode()


def public(key):
    return key.public_key().public_bytes_raw()


def rfc6962(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + rfc6962(leaves[:split]) + rfc6962(leaves[split:]))


class Export:
    """A log of one round and an aborted one after it, with the store beside it."""

    def __init__(self, folder, log_vkey):
        self.folder, self.texts, self.leaves = Path(folder), [], []
        self.log_vkey = log_vkey

    def put(self, data):
        name = sha256(data).hex()
        self.write_file(f"objects/sha256/{name[:2]}/{name[2:]}", data)
        return name

    def write_file(self, path, data):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)

    def log(self, entry):
        entry |= {"v": 1, "by": "aggregator", "key": sha256(public(SERVER)).hex(),
                  "t": T0 + len(self.texts)}
        entry["sig"] = b64(SERVER.sign(f"hilum-entry/v1\n{ORIGIN}\n".encode() + canonical(entry)))
        self.texts.append(canonical(entry))
        self.leaves.append(sha256(b"\0" + self.texts[-1]))
        return self.leaves[-1].hex()

    def join(self, name, key):
        entry = {"type": "join", "member": name, "role": "site", "entry_key": b64(public(key))}
        whole = entry | {"v": 1, "by": "aggregator", "t": T0 + len(self.texts),
                         "key": sha256(public(SERVER)).hex()}
        message = f"hilum-join/v1\n{ORIGIN}\n".encode() + canonical(whole)
        self.log(entry | {"member_sig": b64(key.sign(message))})

    def write(self, keys, record, suite, metric):
        """Members with `keys`, the round of `record`, an aborted round, and the log's files."""
        names = [f"site-{chr(97 + i)}" for i in range(len(keys))]
        counted = [u["index"] for u in record["updates"]]
        genesis = self.log({
            "type": "genesis", "federation": "fl.example", "origin": ORIGIN,
            "log_vkey": self.log_vkey, "entry_key": b64(public(SERVER)), "policy": ZERO,
            "rules": ZERO, "participants": NOTHING})
        for name, key in zip(names, keys):
            self.join(name, key)
        head = {"study": STUDY, "round": 1, "prev": genesis, "base_model": record["base_model"],
                "build": ZERO}
        everybody = {"n": len(names), "items": names}
        opened = self.log(head | {"type": "round-open", "cfg": record["cfg"], "deadline": T0,
                                  "cohort": everybody})
        leaves = [sha256(b"\0" + u16(u["index"]) + bytes.fromhex(u["root"]) +
                         base64.b64decode(u["sig"])) for u in record["updates"]]
        rule = canonical({"name": "fedavg", "server_learning_rate": "1"})
        rule = {"name": "fedavg", "params": sha256(rule).hex()}
        gone = [names[i] for i in record["dropped"]]
        closed = self.log(head | {
            "type": "round-close", "open": opened, "status": "ok", "model": record["model"],
            "cohort": {"n": len(counted), "items": [names[i] for i in counted]},
            "dropped": {"n": len(gone), "items": gone}, "rule": rule,
            "updates": {"n": len(counted), "root": rfc6962(leaves).hex()},
            "secagg": {"suite": suite, "cfg": record["cfg"],
                       "transcript": record["transcript_hash"],
                       "evidence": self.put(canonical(record))},
            "metrics": {"n": 1, "items": [metric]}})
        head |= {"round": 2, "prev": closed, "base_model": record["model"]}
        opened = self.log(head | {"type": "round-open", "cfg": ZERO, "deadline": T0,
                                  "cohort": everybody})
        self.log(head | {"type": "round-close", "open": opened, "status": "aborted",
                         "model": record["model"], "cohort": NOTHING, "dropped": everybody,
                         "updates": {"n": 0, "root": sha256(b"").hex()}, "rule": rule,
                         "metrics": NOTHING})
        self.write_log()

    def write_log(self):
        n = len(self.texts)
        bundle = b"".join(struct.pack(">H", len(text)) + text for text in self.texts)
        text = f"{ORIGIN}\n{n}\n{b64(rfc6962(self.leaves))}\n"
        vkey = self.log_vkey.split("+", 2)
        line = bytes.fromhex(vkey[1]) + key_of(0x11).sign(text.encode())
        self.write_file(f"log/tile/entries/000.p/{n}", bundle)
        self.write_file(f"log/tile/0/000.p/{n}", b"".join(self.leaves))
        self.write_file("log/checkpoint", f"{text}\n\u2014 {vkey[0]} {b64(line)}\n".encode())
        self.write_file("keys/log.key", b"11" * 32 + b"\n")
        self.write_file("keys/entry.key", b"12" * 32 + b"\n")

    def record_of(self, values, members, vectors, dropped):
        """The round record; `members` is the list of T without its count."""
        size = 98
        updates = [{"index": i, "root": members[i * size + 2:i * size + 34].hex(),
                    "sig": b64(members[i * size + 34:(i + 1) * size]),
                    "object": self.put(vector)} for i, vector in enumerate(vectors)]
        files = {key: self.put(values[key]) for key in ("base_model", "model", "plan")}
        return files | {
            "v": 1, "job": STUDY, "round": 1, "attempt": 0, "cfg": values["cfg_hash"].hex(),
            "cfg_object": self.put(values["cfg"]), "transcript": b64(values["t"]),
            "transcript_hash": values["t_hash"].hex(), "transcript_sig": b64(values["t_sig"]),
            "sum_root": values["t"][-32:].hex(), "ring_root": values["ring_root"].hex(),
            "updates": updates, "dropped": dropped}


def write_masked(root, folder, untagged=()):
    e = Example((Path(root) / "docs/wire.md").read_text(encoding="utf-8"))
    e.untagged = untagged
    e.compute()
    export = Export(folder, e.log_vkey)
    values = {"base_model": e.base, "model": e.new, "plan": e.plan, "cfg": e.cfg, "t": e.t,
              "cfg_hash": e.cfg_hash, "t_hash": e.t_hash, "ring_root": e.lines["root(z)"],
              "t_sig": e.sign("transcript", 0xFFFF, e.t_hash)}
    record = export.record_of(values, e.members,
                              [struct.pack("<10I", *e.y[i]) for i in U3], [N - 1])
    record["secagg"] = {
        "key_list": b64(e.key_list), "u1": b64(e.u1), "u2": b64(e.u2), "complaints": "",
        "votes": b64(e.votes), "opening": b64(e.opening), "sum_object": export.put(e.sum_object)}
    export.write(e.keys, record, 2, {"name": "train_loss", "value": "0.5", "n": 60})


def write_open(root, folder):
    page = (Path(root) / "docs/wire.md").read_text(encoding="utf-8")
    lines = re.search(r"```example\n(.*?)```", page, re.S).group(1).splitlines()
    example = {line[:22].strip(): line[22:] for line in lines}
    plan = re.search(r"```json\n(.*?)\n```", page, re.S).group(1).encode()
    keys = [key_of(0x21), key_of(0x22)]
    out = compute(example, plan, [public(key) for key in keys])
    vectors = [bytes.fromhex(example["y of site-" + who]) for who in "ab"]
    members = b"".join(
        u16(i) + out["R of site-" + who] + bytes.fromhex(example["signature of site-" + who])
        for i, who in enumerate("ab"))
    t = (bytes(64) + out["H(model)"] + struct.pack(">I", 2) + members + struct.pack(">Q", 10) +
         out["root(S)"])
    signed = label("transcript") + out["rid"] + b"\xff\xff" + out["H(cfg)"] + out["H(T)"]
    words = [sum(pair) % 2**32 for pair in zip(*(struct.unpack("<10I", v) for v in vectors))]
    signs = [word - 2**32 if word >= 2**31 else word for word in words[:7]]
    gain = 100 / (float(2**30 - 1) * words[7])
    metadata = {"architecture": "test-net", "job": STUDY, "origin": ORIGIN, "round": "1"}
    model = safetensors(metadata, [0.25 + 1.0 * (value * gain) for value in signs])
    base = safetensors({"architecture": "test-net", "round": "0"}, [0.25] * 7)
    export = Export(folder, example["log_vkey"])
    values = {"base_model": base, "model": model, "plan": plan, "cfg": out["cfg"], "t": t,
              "cfg_hash": out["H(cfg)"], "t_hash": out["H(T)"], "ring_root": out["root(z)"],
              "t_sig": SERVER.sign(signed)}
    assert json.loads(plan)["job"] == STUDY
    record = export.record_of(values, members, vectors, [])
    export.write(keys, record, 0, {"name": "train_loss", "value": "0.5", "n": words[7]})


if __name__ == "__main__":
    {"open": write_open, "masked": write_masked}[sys.argv[2]](sys.argv[1], sys.argv[3])
