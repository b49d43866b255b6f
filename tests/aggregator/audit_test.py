"""Two auditors over exported rounds and over copies that somebody tampered with: `hilum-ledger
audit` and the independent program of docs/audit.

Usage: audit_test.py --rounds FOLDER --bin FOLDER [unittest arguments]
FOLDER is what write_rounds made. Run it with the Python that has numpy and cryptography.
"""
import argparse
import ast
import base64
import functools
import http.server
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from forger import Export, base64_of, canonical, named, sha256, tree, vector_root

OPTIONS = None
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "docs/audit/audit.py"
MASKED, OPEN = "cxr-masked", "cxr-open"
ROUNDS = [(MASKED, 1), (MASKED, 2), (OPEN, 1), (OPEN, 2)]
CHUNK = 1 << 20  # bytes of a chunk of a vector


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          timeout=120)


def python_audit(folder, job, number, *more):
    return run(sys.executable, PROGRAM, number, "--from", folder, "--study", job, "--quiet", *more)


def hilum_audit(folder, job, number, *more):
    return run(OPTIONS.bin / "hilum-ledger", "audit", number, "--from", folder, "--study", job,
               *more)


# ---- what is tampered with, and what the auditors say

FORGERIES = []  # (name, job, round, function, sentence of docs/audit); signed again
DAMAGES = []  # the same; nothing is signed again


def forged(job, number, sentence):
    def take(function):
        FORGERIES.append((function.__name__, job, number, function, sentence))
        return function
    return take


def damaged(job, number, sentence):
    def take(function):
        DAMAGES.append((function.__name__, job, number, function, sentence))
        return function
    return take


def flip(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


def file_of(export, pattern):
    return next(path for path in sorted((export.folder / "log").glob(pattern)) if path.is_file())


@damaged(OPEN, 1, "entr")
def a_byte_of_an_entry(e):
    flip(file_of(e, "tile/entries/**/*"))


@damaged(OPEN, 1, "another hash")
def a_byte_of_a_tile(e):
    flip(file_of(e, "tile/0/**/*"))


@damaged(OPEN, 1, "does not verify|has no signature|base64")
def a_byte_of_the_checkpoints_signature(e):
    flip(e.folder / "log/checkpoint", -20)


@damaged(OPEN, 1, "whole entries|missing")
def a_cut_bundle(e):
    path = file_of(e, "tile/entries/**/*")
    path.write_bytes(path.read_bytes()[:-1])


@damaged(OPEN, 1, "round record: the object .* hashes otherwise")
def a_byte_of_the_record(e):
    flip(e.path(e.close["secagg"]["evidence"]))


@damaged(OPEN, 1, "configuration: the object .* hashes otherwise")
def a_byte_of_the_configuration(e):
    flip(e.path(e.record()["cfg_object"]))


@damaged(OPEN, 1, "plan: the object .* hashes otherwise")
def a_byte_of_the_plan(e):
    flip(e.path(e.record()["plan"]))


@damaged(OPEN, 1, "base model: the object .* hashes otherwise")
def a_byte_of_the_base_model(e):
    flip(e.path(e.close["base_model"]))


@damaged(OPEN, 1, "model: the object .* hashes otherwise")
def a_byte_of_the_new_model(e):
    flip(e.path(e.close["model"]))


@damaged(MASKED, 1, "update of site-02: the object .* hashes otherwise|root")
def a_byte_of_a_vector(e):
    flip(e.path(e.record()["updates"][1]["object"]))


@damaged(MASKED, 1, "update of site-02: the object has")
def a_cut_vector(e):
    path = e.path(e.record()["updates"][1]["object"])
    path.write_bytes(path.read_bytes()[:-4])


@damaged(MASKED, 1, "update of site-04: the object .* is missing")
def a_missing_vector(e):
    e.path(e.record()["updates"][3]["object"]).unlink()


@damaged(MASKED, 2, "published sum")
def a_byte_of_the_sum(e):
    flip(e.path(e.record()["secagg"]["sum_object"]))


# -- valid in form, hashed and signed again with the server's keys


def edit_record(e, change):
    record = e.record()
    change(record)
    e.put_record(record)
    return record


def message(record, name):
    return bytearray(base64.b64decode(record["secagg"][name]))


def set_message(record, name, data):
    record["secagg"][name] = base64_of(bytes(data))


@forged(MASKED, 1, "new model is .* when computed again")
def another_model(e):
    data = bytearray(e.get(e.close["model"]))
    data[-1] ^= 1
    digest = e.put(bytes(data))
    edit_record(e, lambda r: r.update(model=digest))
    e.close["model"] = digest
    for entry in e.entries:  # the next round begins with it
        if entry.get("study") == e.study and entry.get("round") == e.number + 1:
            entry["base_model"] = digest


@forged(OPEN, 2, "new model is .* when computed again")
def another_model_of_an_open_round(e):
    another_model(e)


@forged(MASKED, 1, "published sum is not that of the stored vectors")
def another_sum(e):
    def change(record):
        data = bytearray(e.get(record["secagg"]["sum_object"]))
        data[0] ^= 1
        record["secagg"]["sum_object"] = e.put(bytes(data))
    edit_record(e, change)


@forged(MASKED, 1, "vote of member 0 is not signed on this transcript")
def another_sum_with_its_root_and_transcript(e):
    def change(record):
        data = bytearray(e.get(record["secagg"]["sum_object"]))
        data[0] ^= 1
        record["secagg"]["sum_object"] = e.put(bytes(data))
        width = e.config()["width"]
        record["sum_root"] = vector_root("sum-chunk", bytes(data), width << 18).hex()
        e.remake_transcript(record)
    edit_record(e, change)


@forged(MASKED, 1, "update of site-02: its root is")
def another_vector_under_its_old_root(e):
    def change(record):
        data = bytearray(e.get(record["updates"][1]["object"]))
        data[0] ^= 1
        record["updates"][1]["object"] = e.put(bytes(data))
    edit_record(e, change)


def with_its_own_root(e, record):
    data = bytearray(e.get(record["updates"][1]["object"]))
    data[0] ^= 1
    record["updates"][1]["object"] = e.put(bytes(data))
    record["updates"][1]["root"] = vector_root("r2-chunk", bytes(data), CHUNK).hex()
    e.remake_transcript(record)


@forged(MASKED, 1, "member 2 did not sign the root")
def another_vector_with_its_root(e):
    edit_record(e, lambda r: with_its_own_root(e, r))


@forged(OPEN, 2, "member 1 did not sign the root")
def another_vector_and_all_that_follows(e):
    def change(record):
        with_its_own_root(e, record)
        sums = e.sums(record)
        record["sum_root"] = vector_root("sum-chunk", e.pack_sum(sums),
                                         e.config()["width"] << 18).hex()
        e.remake_transcript(record)
    edit_record(e, change)


@forged(OPEN, 2, "member 0 did not sign the root")
def two_vectors_change_places(e):
    def change(record):
        a, b = record["updates"][:2]
        for key in ("root", "sig", "object"):
            a[key], b[key] = b[key], a[key]
        e.remake_transcript(record)
    edit_record(e, change)


@forged(MASKED, 1, "vote of member 0 is not signed on this transcript")
def a_site_left_out_after_the_votes(e):
    def change(record):
        gone = record["updates"].pop()
        record["dropped"].append(gone["index"])
        record["updates"] = [dict(u) for u in record["updates"]]
        e.remake_transcript(record)
        name = e.close["cohort"]["items"].pop()
        e.close["cohort"]["n"] -= 1
        e.close["dropped"]["items"].append(name)
        e.close["dropped"]["n"] += 1
    edit_record(e, change)


@forged(MASKED, 2, "4 votes, the quorum is 5")
def a_vote_too_few(e):
    def change(record):
        votes = message(record, "votes")
        set_message(record, "votes", struct.pack(">I", 4) + votes[4:4 + 4 * 98])
    edit_record(e, change)


@forged(MASKED, 1, "opened secret of member 0 does not open its commitment")
def another_opened_self_secret(e):
    def change(record):
        opening = message(record, "opening")
        opening[4 + 2] ^= 1  # b_0, its lowest byte
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, 1, "opened secret of member 1 does not give its advertised key")
def another_opened_mask_secret(e):
    def change(record):
        opening = message(record, "opening")
        opening[4 + 5 * 34 + 4 + 2] ^= 1  # a_1: five b come first
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, 2, "tag of member 0 is not signed")
def another_tag(e):
    def change(record):
        opening = message(record, "opening")
        opening[4 + 6 * 34 + 4 + 4 + 2 + 7] ^= 1
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, 2, "advertised key of member 0 is not signed by it")
def a_mask_key_of_the_servers(e):
    def change(record):
        keys = message(record, "key_list")
        keys[4 + 2] ^= 1
        entries = bytes(keys[:-64])
        signature = e.server_sign("r0-list", named("r0-list", entries))
        set_message(record, "key_list", entries + signature)
    edit_record(e, change)


@forged(MASKED, 2, "k = 5 and t = 2 is below the bounds")
def a_threshold_of_two(e):
    def change(record):
        u1 = message(record, "u1")
        u1[-66:-64] = struct.pack(">H", 2)
        set_message(record, "u1", u1)
    edit_record(e, change)


@forged(MASKED, 2, "transcript is of other sets U1 or U2")
def another_u2(e):
    def change(record):
        h_u1 = base64.b64decode(record["transcript"])[:32]
        members = struct.pack(">I5H", 5, 0, 2, 3, 4, 5)
        signature = e.server_sign("u2", named("u2", h_u1 + members))
        set_message(record, "u2", members + signature)
    edit_record(e, change)


@forged(MASKED, 1, r"root\(z\) is")
def another_ring_root(e):
    edit_record(e, lambda r: r.update(ring_root="00" * 32))


@forged(OPEN, 1, r"root\(z\) is")
def another_ring_root_of_an_open_round(e):
    edit_record(e, lambda r: r.update(ring_root="00" * 32))


@forged(OPEN, 2, "metrics differ")
def a_better_loss(e):
    e.close["metrics"]["items"][0]["value"] = "0.125"


@forged(OPEN, 2, "rule's parameters is .* when computed again")
def another_rule(e):
    e.close["rule"]["params"] = "11" * 32


@forged(OPEN, 2, "updates.root is")
def another_updates_root(e):
    e.close["updates"]["root"] = "22" * 32


@forged(MASKED, 1, "another mask suite")
def another_suite(e):
    e.close["secagg"]["suite"] = 1


@forged(MASKED, 1, "no masks' evidence")
def a_record_without_its_evidence(e):
    edit_record(e, lambda r: r.pop("secagg"))


@forged(MASKED, 1, "of another job or round")
def the_record_of_another_round(e):
    e.close["secagg"]["evidence"] = e.entry_of("round-close", 2)["secagg"]["evidence"]


def with_cfg(e, cfg, record):
    """The round under another cfg: in both entries, the record and the transcript."""
    record["cfg_object"], digest = e.put(cfg), named("cfg", cfg).hex()
    record["cfg"] = e.open["cfg"] = e.close["secagg"]["cfg"] = digest
    e.put_record(record)
    e.remake_transcript(record)
    e.put_record(record)


@forged(OPEN, 2, "member 0 did not sign the root")
def another_learning_rate(e):
    record = e.record()
    plan = json.loads(e.get(record["plan"]))
    plan["strategy"]["server_learning_rate"] = "2"
    record["plan"] = e.put(canonical(plan))
    rule = canonical({"name": "fedavg", "server_learning_rate": "2"})
    e.close["rule"]["params"] = sha256(rule).hex()
    cfg = bytearray(e.cfg())
    cfg[24:56], cfg[153:185] = bytes.fromhex(record["plan"]), sha256(rule)
    with_cfg(e, bytes(cfg), record)


@forged(OPEN, 2, "configuration is not what its plan, roster and federation make")
def a_clip_that_the_plan_does_not_have(e):
    cfg = bytearray(e.cfg())
    cfg[244:252] = struct.pack(">d", 1e9)
    with_cfg(e, bytes(cfg), e.record())


@forged(OPEN, 2, "configuration is not what its plan, roster and federation make")
def a_key_of_the_servers_in_the_roster(e):
    cfg = bytearray(e.cfg())
    cfg[264 + 4 + 2:264 + 4 + 34] = e.entry_key.public_key().public_bytes_raw()
    with_cfg(e, bytes(cfg), e.record())


@forged(OPEN, 1, "transcript's signature is not the aggregator's")
def a_transcript_signed_by_another_key(e):
    edit_record(e, lambda r: r.update(transcript_sig=base64_of(e.log_key.sign(b"T"))))


@forged(OPEN, 1, "counts other sites than the ledger's cohort")
def another_site_in_the_place_of_the_dropped(e):
    cohort, dropped = e.close["cohort"]["items"], e.close["dropped"]["items"]
    cohort[0], dropped[0] = dropped[0], cohort[0]
    cohort.sort()


@forged(OPEN, 2, "base_model is not")
def a_round_that_begins_elsewhere(e):
    e.open["base_model"] = e.close["base_model"] = e.entry_of("round-open", 1)["base_model"]


@forged(OPEN, 2, "prev is not")
def a_round_that_skips_the_one_before(e):
    e.open["prev"] = e.close["prev"] = e.entry_of("round-open", 1)["prev"]


@forged(OPEN, 2, "accounts for more or fewer sites")
def a_site_that_disappears(e):
    e.close["dropped"] = {"items": [], "n": 0}
    e.close["cohort"]["items"].pop()
    e.close["cohort"]["n"] -= 1
    e.close["updates"]["n"] -= 1


@forged(OPEN, 2, "aborted and has another model")
def an_aborted_round_with_a_model(e):
    e.close["status"] = "aborted"


class AuditTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.top = Path(cls.temporary.name)
        for job, number in ROUNDS:
            done = run(OPTIONS.bin / "hilum-ledger", "export", number, "--study", job, "--from",
                       OPTIONS.rounds, "--out", cls.source(job, number))
            assert done.returncode == 0, done.stderr

    @classmethod
    def source(cls, job, number):
        return cls.top / f"{job}-{number}"

    def copy(self, name, job, number):
        folder = self.top / name
        self.addCleanup(shutil.rmtree, folder, True)
        export = Export(self.source(job, number), folder, OPTIONS.rounds / "keys", number)
        export.study = job
        return export

    def refuses(self, done, sentence=""):
        """Exit code 3 and one sentence."""
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, sentence)


class Good(AuditTest):
    def test_both_find_the_same_model(self):
        for job, number in ROUNDS:
            with self.subTest(job=job, number=number):
                folder = self.source(job, number)
                theirs = python_audit(folder, job, number, "--json")
                self.assertEqual(theirs.returncode, 0, theirs.stderr)
                ours = json.loads(hilum_audit(folder, job, number, "--json").stdout)
                theirs = json.loads(theirs.stdout)
                for key in ("verified", "job", "round", "status", "model", "updates", "films",
                            "mean_loss", "origin", "size", "log_vkey"):
                    self.assertEqual(theirs[key], ours[key], key)
                self.assertEqual(theirs["mode"], "masked" if job == MASKED else "open")

    def test_pins_and_progress(self):
        folder = self.source(MASKED, 1)
        found = json.loads(python_audit(folder, MASKED, 1, "--json").stdout)
        vkey = found["log_vkey"]
        self.assertEqual(python_audit(folder, MASKED, 1, "--vkey", vkey).returncode, 0)
        other = Ed25519Vkey(vkey)
        self.refuses(python_audit(folder, MASKED, 1, "--vkey", other), "pinned is")
        told = run(sys.executable, PROGRAM, 1, "--from", folder, "--study", MASKED).stderr
        for index in (0, 2, 3, 4, 5):
            self.assertIn(f"update of site-0{index}", told)

    def test_a_command_line_that_is_wrong(self):
        folder = self.source(OPEN, 1)
        for arguments in ((folder, OPEN, 9), (folder, "cxr-other", 1), (self.top, OPEN, 1),
                          (folder / "log", OPEN, 1)):
            done = python_audit(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        several = run(sys.executable, PROGRAM, 1, "--from", folder, "--quiet")
        self.assertEqual(several.returncode, 2)
        self.assertIn("--study", several.stderr)
        self.assertEqual(run(sys.executable, PROGRAM).returncode, 2)

    def test_the_program_is_independent(self):
        allowed = set(sys.stdlib_module_names) | {"numpy", "cryptography"}
        own = {path.stem for path in PROGRAM.parent.glob("*.py")}
        for path in PROGRAM.parent.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                    [node.module] if isinstance(node, ast.ImportFrom) else [])
                for name in names:
                    self.assertIn(name.split(".")[0], allowed | own, path)
            self.assertNotIn("subprocess", path.read_text(encoding="utf-8"))


def Ed25519Vkey(vkey):
    """Another good key under the same name."""
    name = vkey.split("+")[0]
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    ident = sha256(name.encode() + b"\n\x01" + key)[:4].hex()
    return f"{name}+{ident}+{base64_of(bytes([1]) + key)}"


class Tampered(AuditTest):
    def check(self, kinds, write):
        for name, job, number, change, sentence in kinds:
            with self.subTest(name):
                export = self.copy(name, job, number)
                change(export)
                if write:
                    export.write()
                self.refuses(python_audit(export.folder, job, number), sentence)
                self.refuses(hilum_audit(export.folder, job, number))
                shutil.rmtree(export.folder)

    def test_damage(self):
        self.check(DAMAGES, write=False)

    def test_forgeries_with_the_servers_own_keys(self):
        self.check(FORGERIES, write=True)

    def test_writing_again_alone_changes_nothing(self):
        """So what the auditors refuse is the forgery, not the forger's log."""
        for job, number in ROUNDS:
            export = self.copy(f"again-{job}-{number}", job, number)
            export.write()
            for audit in (python_audit, hilum_audit):
                done = audit(export.folder, job, number)
                self.assertEqual(done.returncode, 0, done.stderr)
            record = export.record()
            export.remake_transcript(record)
            export.put_record(record)
            export.write()
            self.assertEqual(python_audit(export.folder, job, number).returncode, 0)

    def test_a_close_that_a_stranger_signed(self):
        export = self.copy("stranger", OPEN, 2)
        export.write(sign_with=export.log_key)
        self.refuses(python_audit(export.folder, OPEN, 2), "signature of aggregator")
        self.refuses(hilum_audit(export.folder, OPEN, 2))

    def test_a_checkpoint_of_another_tree(self):
        export = self.copy("checkpoint", OPEN, 2)
        text = f"{export.origin}\n{len(export.entries)}\n{base64_of(tree(export.leaves[::-1]))}\n"
        vkey = export.entries[0]["log_vkey"].split("+", 2)
        line = base64_of(bytes.fromhex(vkey[1]) + export.log_key.sign(text.encode()))
        (export.folder / "log/checkpoint").write_text(f"{text}\n\u2014 {vkey[0]} {line}\n",
                                                      encoding="utf-8")
        self.refuses(python_audit(export.folder, OPEN, 2), "another root")
        self.refuses(hilum_audit(export.folder, OPEN, 2))

    def test_there_are_enough_kinds(self):
        self.assertGreaterEqual(len(DAMAGES) + len(FORGERIES), 20)
        self.assertGreaterEqual(len(FORGERIES), 10)


class Tags(AuditTest):
    """`hilum ledger audit --tags`, and audits over HTTP."""

    def test_needs_no_vector_that_has_a_tag(self):
        export = self.copy("tags", MASKED, 1)
        record = export.record()
        for update in record["updates"]:
            if update["index"] != 3:  # its tag was wrong, so its vector stands for it
                export.path(update["object"]).unlink()
        found = json.loads(hilum_audit(export.folder, MASKED, 1, "--tags", "--json").stdout)
        self.assertEqual((found["depth"], found["updates"], found["updates_read"]), ("tags", 5, 1))
        self.assertEqual(found["model"], export.close["model"])
        text = hilum_audit(export.folder, MASKED, 1, "--tags").stdout
        self.assertIn("the sum fits the tags of 5 updates, of which 1 were read", text)
        self.refuses(hilum_audit(export.folder, MASKED, 1), "update of site-00")

    def test_refuses_what_it_covers(self):
        for name, job, number, change, _ in FORGERIES:
            if job != MASKED or name == "another_vector_under_its_old_root":
                continue  # a vector that is not read cannot be judged: docs/ledger.md says so
            with self.subTest(name):
                export = self.copy("tags-" + name, job, number)
                change(export)
                export.write()
                self.refuses(hilum_audit(export.folder, job, number, "--tags"))

    def test_an_open_round_has_none(self):
        done = hilum_audit(self.source(OPEN, 1), OPEN, 1, "--tags")
        self.assertEqual(done.returncode, 2)
        self.assertIn("audit it without --tags", done.stderr)

    def test_from_a_url(self):
        export = self.copy("served", MASKED, 1)

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Quiet, directory=export.folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}"
        for more in ((), ("--tags",)):
            done = hilum_audit(url, MASKED, 1, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
        flip(export.path(export.record()["secagg"]["sum_object"]))
        self.refuses(hilum_audit(url, MASKED, 1, "--tags"), "other bytes|hashes otherwise")
        export.path(export.record()["secagg"]["sum_object"]).unlink()
        done = hilum_audit(url, MASKED, 1)
        self.assertEqual(done.returncode, 2, done.stderr)  # over HTTP absence accuses nobody
        self.assertIn("hilum ledger export", done.stderr)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=Path, required=True)
    parser.add_argument("--bin", type=Path, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
