#!/usr/bin/env python3
"""Verifies an exported ledger with public tools alone: Python's standard library and openssl.

Usage: verify_export.py FOLDER [--vkey KEY] [--policy FILE] [--proof FILE]...

FOLDER is what `hilum ledger export` wrote, a server's folder, or the log's own folder. Nothing of
Hilum is needed or asked. Written from docs/ledger.md and RFC 6962, not from Hilum's code, and meant
to be read. Exit code 0: all of it holds; 3: the sentence on standard error says what does not;
4: the policy is not met.

It checks the checkpoint's signature, every tile and entry against its root, each entry's form and
signature, the rounds' links and pins of consents, the cosignatures, and every stored object's name.
It does not add up a round again and does not judge when a rotated key began to count.
"""
import argparse
import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LOG_KEY, WITNESS_KEY = 1, 4
ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the key


class Fault(Exception):
    code = 3


class PolicyFault(Fault):
    code = 4


def must(condition, sentence):
    if not condition:
        raise Fault(sentence)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\0" + entry)


def unbase64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Fault(f"{what} is not base64") from None
    must(base64.b64encode(data).decode() == text, f"{what} is not canonical base64")
    return data


def decimal(text, what):
    must(re.fullmatch(r"0|[1-9][0-9]{0,18}", text), f"{what} is no decimal number")
    return int(text)


class Signatures:
    """Asks openssl; one question a signature."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.count = 0

    def hold(self, key, message, signature):
        folder = Path(self.folder.name)
        for name, data in (("key", ED25519_DER + key), ("message", message), ("sig", signature)):
            (folder / name).write_bytes(data)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", folder / "key",
             "-rawin", "-in", folder / "message", "-sigfile", folder / "sig"],
            capture_output=True, check=False)
        self.count += 1
        return done.returncode == 0


SIGNATURES = Signatures()


# The tree of RFC 6962, section 2.1, written as it stands there.
def largest_power_below(n):
    return 1 << (n - 1).bit_length() - 1


def tree_hash(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


def root_of_path(leaf, index, size, path):
    """The root that an inclusion path leads to, from the root down. Fault: of another length."""
    if size == 1:
        must(not path, "the inclusion proof is too long")
        return leaf
    must(path, "the inclusion proof is too short")
    k = largest_power_below(size)
    if index < k:
        return sha256(b"\1" + root_of_path(leaf, index, k, path[:-1]) + path[-1])
    return sha256(b"\1" + path[-1] + root_of_path(leaf, index - k, size - k, path[:-1]))


# Keys, notes and checkpoints: C2SP signed-note, tlog-checkpoint, tlog-cosignature.
def parse_vkey(text):
    """(name, id, type, key)"""
    parts = text.split("+", 2)
    must(len(parts) == 3, f"{text} is no verifier key")
    name, key_id, typed = parts[0], parts[1], unbase64(parts[2], "a verifier key")
    must(sha256(name.encode() + b"\n" + typed)[:4].hex() == key_id, f"{name}: another key id")
    must(len(typed) == 33, f"{name}: no Ed25519 key")
    return name, bytes.fromhex(key_id), typed[0], typed[1:]


def parse_note(data):
    """(text, [(name, id, signature)])"""
    try:
        note = data.decode()
    except UnicodeDecodeError:
        raise Fault("a note is not UTF-8") from None
    (text, separator, rest), lines = note.rpartition("\n\n"), []
    must(separator and rest.endswith("\n"), "a note has no signatures")
    for line in rest[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line)
        must(match, "a note has a line that is no signature")
        blob = unbase64(match[2], "a signature")
        lines.append((match[1], blob[:4], blob[4:]))
    return text + "\n", lines


def line_of(lines, vkey):
    """The signature of this key, or None. Fault: there are two."""
    found = [signature for name, key_id, signature in lines if (name, key_id) == vkey[:2]]
    must(len(found) < 2, f"there are two signatures of {vkey[0]}")
    return found[0] if found else None


def parse_checkpoint(text):
    lines = text.split("\n")
    must(len(lines) == 4 and lines[3] == "", "the checkpoint has not three lines")
    return lines[0], decimal(lines[1], "the size"), unbase64(lines[2], "the root")


def check_log_signature(text, lines, vkey):
    signature = line_of(lines, vkey)
    must(vkey[2] == LOG_KEY and signature is not None, f"{vkey[0]} did not sign the checkpoint")
    must(SIGNATURES.hold(vkey[3], text.encode(), signature),
         "the log's signature of the checkpoint does not verify")


def has_cosigned(text, lines, vkey):
    signature = line_of(lines, vkey)
    if signature is None:
        return False
    must(vkey[2] == WITNESS_KEY and len(signature) == 72, f"{vkey[0]}: no cosignature")
    (time_s,) = struct.unpack(">Q", signature[:8])
    message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
    must(SIGNATURES.hold(vkey[3], message, signature[8:]),
         f"the cosignature of {vkey[0]} does not verify")
    return True


# The served files: C2SP tlog-tiles.
def tile_path(level, index, width):
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/" + "/".join(groups) + (f".p/{width}" if width < 256 else "")


def read(log, path):
    try:
        return (log / path).read_bytes()
    except OSError:
        raise Fault(f"{path} is missing") from None


def read_tile(log, level, index, width):
    """(bytes, path). A log that has grown has the full tile in a partial one's place."""
    paths = [tile_path(level, index, width), tile_path(level, index, 256)]
    path = paths[0] if (log / paths[0]).exists() else paths[1]
    return read(log, path), path


def read_entries(log, size):
    entries = []
    while len(entries) < size:
        width, found = min(256, size - len(entries)), []
        data, path = read_tile(log, "entries", len(entries) // 256, width)
        while data:
            must(len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big"),
                 f"{path} is cut")
            end = 2 + int.from_bytes(data[:2], "big")
            found.append(data[2:end])
            data = data[end:]
        must(len(found) in (width, 256), f"{path} has {len(found)} entries and not {width}")
        entries += found[:width]
    return entries


def check_tiles(log, leaves):
    """Every tile of every level, made again from the leaves."""
    hashes, level, n_tiles = leaves, 0, 0
    while hashes:
        for first in range(0, len(hashes), 256):
            part = hashes[first:first + 256]
            data, path = read_tile(log, level, first // 256, len(part))
            must(data[:32 * len(part)] == b"".join(part) and len(data) in (32 * len(part), 8192),
                 f"{path} is not what the entries give")
            n_tiles += 1
        hashes = [tree_hash(hashes[i:i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    return n_tiles


# Entries: docs/ledger.md, section 3.
def canonical(fields):
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_plain(value):
    """Neither null nor a fraction anywhere: these have no canonical form."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not isinstance(value, (float, type(None))) and all(is_plain(item) for item in inner)


def parse_entry(data):
    try:
        fields = json.loads(data)
        good = isinstance(fields, dict) and is_plain(fields) and canonical(fields) == data
    except (ValueError, RecursionError):
        good = False
    must(good, "not canonical JSON")
    return fields


def signed_by(key, prefix, origin, fields, name, *left_out):
    rest = {k: v for k, v in fields.items() if k not in ("sig", *left_out)}
    message = f"{prefix}\n{origin}\n".encode() + canonical(rest)
    return SIGNATURES.hold(key, message, unbase64(fields[name], name))


OF_THE_SITE = ("consent-batch", "train-manifest", "evaluation")  # what nobody signs for it


class Members:
    def __init__(self, origin):
        self.origin, self.keys, self.witnesses, self.gone = origin, {}, {}, set()
        self.aggregator = None

    def may_sign(self, entry):
        kind, by = entry["type"], entry["by"]
        if kind in OF_THE_SITE:
            return by == entry["site"]
        own = kind == "incident" or (kind in ("leave", "key-rotate") and by == entry["member"])
        return own or (by == self.aggregator and kind != "key-rotate")

    def add(self, member, key):
        must(len(key) == 32, f"the key of {member} is no Ed25519 key")
        name = hashlib.sha256(key).hexdigest()
        must(name not in self.keys, f"the key of {member} is taken")
        self.keys[name] = (member, key)
        return key

    def take(self, index, entry):
        kind = entry["type"]
        if kind == "genesis":
            must(index == 0 and entry["origin"] == self.origin, "a genesis of another log")
            self.add(entry["by"], unbase64(entry["entry_key"], "entry_key"))
            self.aggregator = entry["by"]
        elif kind == "join":
            key = self.add(entry["member"], unbase64(entry["entry_key"], "entry_key"))
            must(signed_by(key, "hilum-join/v1", self.origin, entry, "member_sig", "member_sig"),
                 "the member's own signature does not verify")
            if "witness_vkey" in entry:
                self.witnesses[entry["member"]] = parse_vkey(entry["witness_vkey"])
        elif kind == "key-rotate":
            key = self.add(entry["member"], unbase64(entry["new"], "new"))
            must(signed_by(key, "hilum-rotate/v1", self.origin, entry, "new_sig", "new_sig"),
                 "the new key's signature does not verify")
        must(entry["by"] not in self.gone, f"{entry['by']} had left")
        must(self.may_sign(entry), f"{entry['by']} may not sign a {kind}")
        member, key = self.keys.get(entry["key"], (None, None))
        must(member == entry["by"], f"its key is not the one of {entry['by']}")
        must(signed_by(key, "hilum-entry/v1", self.origin, entry, "sig"),
             "its signature does not verify")
        if kind == "leave" and "study" not in entry:
            self.gone.add(entry["member"])


class Rounds:
    """The chain of each study's rounds: docs/ledger.md, section 3.4."""

    def __init__(self, genesis):
        self.genesis, self.studies, self.closed = genesis, {}, []

    def take(self, entry, leaf):
        if entry["type"] not in ("round-open", "round-close"):
            return
        study = self.studies.setdefault(
            entry["study"], {"round": 0, "prev": self.genesis, "model": None, "open": None})
        must(entry["prev"] == study["prev"], "prev is not the round before")
        if entry["type"] == "round-open":
            must(study["open"] is None, "the round before is still open")
            must(entry["round"] == study["round"] + 1, "the rounds do not count up by one")
            must(study["model"] in (None, entry["base_model"]), "it starts from another model")
            study["open"] = (entry, leaf)
            return
        must(study["open"] is not None, "no round is open")
        opened, open_leaf = study["open"]
        must(entry["open"] == open_leaf and entry["round"] == opened["round"],
             "open is not its round-open")
        must(entry["base_model"] == opened["base_model"], "it starts from another model")
        must("secagg" not in entry or entry["secagg"]["cfg"] == opened["cfg"],
             "it has another configuration than its round-open")
        must(entry["status"] == "ok" or entry["model"] == entry["base_model"],
             "an aborted round changed the model")
        must(entry["cohort"]["n"] + entry["dropped"]["n"] == opened["cohort"]["n"],
             "sites counted and dropped are not the cohort")
        study.update(round=entry["round"], prev=leaf, model=entry["model"], open=None)
        self.closed.append(entry)


# The active set without patients: its two sentinels, pids of 64 zeros and of 64 f.
NO_PATIENTS = tree_hash([leaf_hash(b"hilum-active/v1\n" + digit * 64) for digit in (b"0", b"f")])


class Consents:
    """What a round-open pins are the sites' own newest batches: docs/ledger.md, section 13."""

    def __init__(self, leaves):
        self.leaves, self.newest, self.sizes = leaves, {}, {}

    def take(self, index, entry):
        study = entry.get("study")
        if entry["type"] == "consent-batch":
            newest = (index, self.leaves[index].hex(), entry["active_root"])
            self.newest[study, entry["site"]] = newest
        if entry["type"] != "round-open":
            return
        pin = entry.get("consent", {"size": index, "sites": {}})
        must(self.sizes.get(study, 0) <= pin["size"] <= index, "it pins another size of the log")
        self.sizes[study] = pin["size"]
        must("root" not in pin or tree_hash(self.leaves[:pin["size"]]).hex() == pin["root"],
             "it pins a root that is not this log's")
        for one in pin["sites"].get("items", ()):
            at, *newest = self.newest.get((study, one["site"]), (-1, None, NO_PATIENTS.hex()))
            must([one.get("batch"), one["active_root"]] == newest and at < pin["size"],
                 f"it does not pin the newest consents of {one['site']}")


def check_entries(origin, entries, leaves):
    members, rounds, consents = Members(origin), Rounds(leaves[0].hex()), Consents(leaves)
    for index, (data, leaf) in enumerate(zip(entries, leaves)):
        try:
            entry = parse_entry(data)
            members.take(index, entry)
            rounds.take(entry, leaf.hex())
            consents.take(index, entry)
        except Fault as fault:
            raise Fault(f"entry {index}: {fault}") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise Fault(f"entry {index}: a field is missing or of another kind: {error}") from None
    return members, rounds


# Policy, objects, proofs.
def check_policy(path, vkey, text, lines):
    """The number of cosignatures that count. PolicyFault: no quorum, or another log's policy."""
    logs, cosigned, groups, quorum = [], {}, {}, None
    for line in path.read_text(encoding="utf-8").split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        least = {"log": 2, "witness": 3, "group": 4, "quorum": 2}.get(words[0])
        must(least and len(words) >= least, f"the policy has the line {line!r}")
        if words[0] == "log":
            logs.append(words[1])
        elif words[0] == "witness":
            cosigned[words[1]] = has_cosigned(text, lines, parse_vkey(words[2]))
        elif words[0] == "group":
            n = len(words) - 3
            k = {"all": n, "any": 1}.get(words[2]) or decimal(words[2], "a group's number")
            groups[words[1]] = (k, words[3:])
        elif words[0] == "quorum":
            quorum = words[1]

    def holds(name):
        if name not in groups:
            must(name in cosigned, f"the policy does not define {name}")
            return cosigned[name]
        k, names = groups[name]
        return sum(holds(member) for member in names) >= k

    if vkey not in logs:
        raise PolicyFault("the policy does not name this log's key")
    if quorum is None or (quorum != "none" and not holds(quorum)):
        raise PolicyFault(f"{sum(cosigned.values())} cosignatures are no quorum of the policy")
    return sum(cosigned.values())


def check_objects(folder):
    objects = {}
    for path in sorted((folder / "sha256").glob("??/*")) if folder else []:
        name = path.parent.name + path.name
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        must(found == name, f"the object {name} holds other bytes")
        objects[name] = path
    return objects


def check_proof(path, vkey, leaves):
    """A tlog-proof: in its own checkpoint, and that checkpoint is of this log."""
    try:
        head, _, note = path.read_bytes().decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Fault("the proof is not UTF-8") from None
    lines = head.split("\n")
    must(lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) > 2, "this is no tlog-proof")
    must(lines[1].startswith("extra ") and lines[2].startswith("index "), "no entry, or no index")
    entry, index = unbase64(lines[1][6:], "extra"), decimal(lines[2][6:], "the index")
    text, signatures = parse_note(note.encode())
    check_log_signature(text, signatures, vkey)
    _, size, root = parse_checkpoint(text)
    must(index < size <= len(leaves), "the proof is of a larger log than this")
    path_hashes = [unbase64(line, "a hash") for line in lines[3:]]
    must(all(len(h) == 32 for h in path_hashes), "a hash has not 32 bytes")
    must(root_of_path(leaf_hash(entry), index, size, path_hashes) == root,
         "the inclusion proof does not lead to the root")
    must(tree_hash(leaves[:size]) == root, "the proof's checkpoint is not of this log: a fork")
    return index


def first_with(folder, names, inner):
    return next((folder / name for name in names if (folder / name / inner).exists()), None)


def verify(options):
    log = first_with(options.folder, (".", "ledger/log", "log"), "checkpoint")
    must(log, f"there is no log in {options.folder}")
    objects = first_with(options.folder, ("objects", "../objects", "../../objects"), "sha256")
    text, lines = parse_note(read(log, "checkpoint"))
    origin, size, root = parse_checkpoint(text)
    must(size > 0, "the log is empty")
    entries = read_entries(log, size)
    leaves = [leaf_hash(entry) for entry in entries]
    must(tree_hash(leaves) == root, "the entries do not give the checkpoint's root")
    n_tiles = check_tiles(log, leaves)
    named = str(parse_entry(entries[0]).get("log_vkey"))
    vkey = options.vkey or named
    must(named == vkey, "the genesis entry names another key of the log")
    key = parse_vkey(vkey)
    must(key[0] == origin, f"the log's key is of {key[0]}, the checkpoint of {origin}")
    check_log_signature(text, lines, key)
    members, rounds = check_entries(origin, entries, leaves)
    cosigners = [name for name, witness in sorted(members.witnesses.items())
                 if has_cosigned(text, lines, witness)]
    print(f"log       {origin}, {size} entries, {n_tiles} tiles, root {root.hex()}")
    print(f"trust     {'the key that you gave' if options.vkey else 'trust on first use'}: {vkey}")
    print(f"witnesses {len(cosigners)} of {len(members.witnesses)} cosigned: "
          f"{', '.join(cosigners) or '-'}")
    if options.policy:
        print(f"policy    met with {check_policy(options.policy, vkey, text, lines)} cosignatures")
    stored = check_objects(objects)
    here = sum(close["model"] in stored for close in rounds.closed)
    print(f"rounds    {len(rounds.closed)} closed; the models of {here} are among the "
          f"{len(stored)} objects here, each with the bytes that its name says")
    for path in options.proof:
        print(f"proof     {path}: entry {check_proof(path, key, leaves)} of this log")
    print(f"verified  {SIGNATURES.count} signatures by openssl; nothing of Hilum was asked")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vkey", help="the log's verifier key as you know it")
    parser.add_argument("--policy", type=Path, help="a tlog-policy that must be met")
    parser.add_argument("--proof", type=Path, action="append", default=[])
    options = parser.parse_args()
    try:
        verify(options)
    except Fault as fault:
        print(f"verify_export: {fault}", file=sys.stderr)
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
