"""Computes the worked example of docs/wire.md from the page alone, with Python's standard library.

Signatures are taken from the page: the C++ test makes them again.
"""
import hashlib
import json
import re
import struct
import sys
from pathlib import Path


def sha256(data):
    return hashlib.sha256(data).digest()


def label(name):
    text = ("hilum/sa/v1/" + name).encode()
    return bytes([len(text)]) + text


def tree(name, data):
    """Tree(label, v) of a vector that fits one chunk."""
    return sha256(b"\0" + label(name) + struct.pack(">I", 0) + data)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def safetensors(metadata, values):
    header = ('{"__metadata__":' + canonical(metadata).decode() +
              ',"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
              '"b":{"dtype":"F32","shape":[],"data_offsets":[24,28]}}').encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<7f", *values)


def compute(example, plan, roster_keys):
    """All lines of the example that follow from the plan, the vectors and the signatures."""
    out = {"plan SHA-256": sha256(plan)}
    federation = sha256(b"fl.example/ledger\n" + example["log_vkey"].encode())[:16]
    out["federation_id"] = federation
    base = sha256(safetensors({"architecture": "test-net", "round": "0"}, [0.25] * 7))
    out["base model SHA-256"] = base
    architecture = sha256(canonical(json.loads(plan)["spec"]))
    out["architecture_digest"] = architecture
    model = sha256(label("model") + architecture + struct.pack(">Q", 7) + base)
    out["H(model)"] = model
    rule = sha256(b'{"name":"fedavg","server_learning_rate":"1"}')
    out["optimiser parameters"] = rule
    scale = float(2**30 - 1)
    cfg = (federation + struct.pack(">Q", 1) + sha256(plan) + bytes(32) + model + architecture +
           b"\0" + rule + bytes(32) +
           struct.pack(">QIIBBBdddI", 7, 3, 2**18, 0, 32, 31, scale, 1.0, 1.0, 100) +
           struct.pack(">I", 2) + struct.pack(">H", 0) + roster_keys[0] +
           struct.pack(">H", 1) + roster_keys[1] + bytes(4 * 2 + 1 + 1 + 2) +
           struct.pack(">BBddBd", 0, 0, 0, 0, 0, 0) +
           struct.pack(">7I", 0, 0, 0, 0, 3600000, 0, 0) + struct.pack(">H", 365))
    out["cfg"] = cfg
    cfg_hash = sha256(label("cfg") + cfg)
    out["H(cfg)"] = cfg_hash
    rid = federation + struct.pack(">QB", 1, 0)
    out["rid"] = rid
    vectors = [bytes.fromhex(example["y of site-" + who]) for who in "ab"]
    roots = [tree("r2-chunk", vector) for vector in vectors]
    out["R of site-a"], out["R of site-b"] = roots
    out["signed by site-a"] = (label("r2-root") + rid + struct.pack(">H", 0) + cfg_hash +
                               bytes(32) + roots[0] + struct.pack(">Q", 10))
    signatures = [bytes.fromhex(example["signature of site-" + who]) for who in "ab"]
    leaves = [struct.pack(">H", i) + roots[i] + signatures[i] for i in range(2)]
    out["updates.root"] = sha256(b"\1" + b"".join(sha256(b"\0" + leaf) for leaf in leaves))
    words = [struct.unpack("<10I", vector) for vector in vectors]
    sums = [sum(pair) for pair in zip(*words)]
    out["root(S)"] = tree("sum-chunk", b"".join(s.to_bytes(5, "little") for s in sums))
    ring = [s % 2**32 for s in sums]
    out["root(z)"] = tree("z-chunk", struct.pack("<10I", *ring))
    transcript = (bytes(64) + model + struct.pack(">I", 2) + b"".join(leaves) +
                  struct.pack(">Q", 10) + out["root(S)"])
    out["H(T)"] = sha256(label("transcript") + rid + cfg_hash + transcript)
    gain = 100 / (scale * ring[7])
    signed = [word - 2**32 if word >= 2**31 else word for word in ring[:7]]
    new = [0.25 + 1.0 * (value * gain) for value in signed]  # struct rounds to float32
    out["new model SHA-256"] = sha256(safetensors(
        {"architecture": "test-net", "job": "cxr-1", "origin": "fl.example/ledger", "round": "1"},
        new))
    return out


def main():
    page = (Path(sys.argv[1]) / "docs/wire.md").read_text(encoding="utf-8")
    lines = re.search(r"```example\n(.*?)```", page, re.S).group(1).splitlines()
    example = {line[:22].strip(): line[22:] for line in lines}
    plan = re.search(r"```json\n(.*?)\n```", page, re.S).group(1).encode()
    assert canonical(json.loads(plan)) == plan, "the plan is not canonical"
    # The keys as cfg has them; the C++ test derives them from their seeds.
    cfg = bytes.fromhex(example["cfg"])
    start = cfg.index(struct.pack(">IH", 2, 0)) + 6
    keys = [cfg[start:start + 32], cfg[start + 34:start + 66]]
    wrong = [name for name, value in compute(example, plan, keys).items()
             if example[name] != value.hex()]
    assert not wrong, f"docs/wire.md differs in: {', '.join(wrong)}"
    print(f"{len(example)} lines of docs/wire.md are right")


if __name__ == "__main__":
    main()
