"""Runs hilum-ledger as an auditor does, on a log that ledger_write_log wrote.

Usage: ledger_cli_test.py --bin FOLDER --log FOLDER
"""
import argparse
import base64
import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

OPTIONS = None


def ledger(*arguments):
    return subprocess.run([OPTIONS.bin / "hilum-ledger", *map(str, arguments)],
                          capture_output=True, text=True, check=False, timeout=120)


class LedgerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.copy = self.folder / "copy"
        shutil.copytree(OPTIONS.log, self.copy)
        self.served = self.copy / "ledger/log"
        self.proofs = json.loads((self.copy / "proofs.json").read_text(encoding="utf-8"))
        self.pins = ("--vkey", self.proofs["vkey"], "--entry-key", self.proofs["entry_key"])

    def expect(self, code, *arguments):
        """Exit code and, when it fails, one sentence on standard error and nothing else."""
        done = ledger(*arguments)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), 0 if code == 0 else 1, done.stderr)
        return done

    def json(self, *arguments):
        return json.loads(self.expect(0, *arguments, "--json").stdout)


class Verify(LedgerTest):
    def test_says_whom_it_trusts(self):
        found = self.json("verify", "--from", self.copy, *self.pins)
        self.assertTrue(found["verified"])
        self.assertEqual(found["trust"], "pinned")
        self.assertEqual(found["size"], 600)
        self.assertEqual(found["log_vkey"], self.proofs["vkey"])
        self.assertEqual(len(found["entries"]), 600)
        self.assertEqual(found["entries"][0]["type"], "genesis")
        self.assertNotIn("objects", found)
        text = self.expect(0, "verify", "--from", self.copy).stdout
        self.assertIn("trust on first use: pinned by the genesis entry itself", text)
        self.assertIn("600 entries verified", text)
        policy = self.folder / "policy"
        policy.write_text(f"log {self.proofs['vkey']}\nquorum none\n", encoding="utf-8")
        text = self.expect(0, "verify", "--from", self.copy, "--policy", policy).stdout
        self.assertNotIn("--vkey", text)  # the policy pins the log's key

    def test_takes_the_log_by_folder_state_or_url(self):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Quiet, directory=self.served)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        sources = (self.served, self.copy / "ledger", self.copy,
                   f"http://127.0.0.1:{server.server_address[1]}")
        self.expect(2, "verify", "--from", sources[-1] + "/elsewhere")
        roots = {self.json("verify", "--from", source)["root"] for source in sources}
        self.assertEqual(len(roots), 1)

    def test_refuses_other_pins(self):
        other = "fl.example/ledger+00000000+" + self.proofs["vkey"].split("+", 2)[2]
        self.expect(2, "verify", "--from", self.copy, "--vkey", other)
        self.expect(2, "verify", "--from", self.copy, "--entry-key", "AAAA")
        # No key at all, and the key of RFC 8032's first test.
        self.expect(2, "verify", "--from", self.copy, "--entry-key", "A" * 43 + "=")
        self.expect(3, "verify", "--from", self.copy, "--entry-key",
                    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
        self.expect(2, "verify", "--from", self.folder / "nothing")
        self.expect(5, "verify", "--from", "http://127.0.0.1:1")
        self.expect(2, "verify")

    def test_refuses_a_changed_byte_of_each_file(self):
        for path in ("checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2",
                     "tile/entries/000", "tile/entries/002.p/88"):
            file = self.served / path
            good = file.read_bytes()
            bad = bytearray(good)
            bad[len(bad) // 2] ^= 1
            file.write_bytes(bad)
            self.expect(3, "verify", "--from", self.copy)
            self.expect(3, "verify", "--hashes", "--from", self.copy)
            file.unlink()
            self.expect(3 if path != "checkpoint" else 2, "verify", "--from", self.copy)
            file.write_bytes(good)
        self.expect(0, "verify", "--from", self.copy)

    def test_hashes_says_what_it_left_out(self):
        text = self.expect(0, "verify", "--hashes", "--from", self.copy).stdout
        self.assertIn("tree, tiles and encoding only", text)
        self.assertEqual(self.json("verify", "--hashes", "--from", self.copy)["depth"], "hashes")

    def test_hashes_objects_beside_the_log(self):
        store = self.copy / "objects/sha256"
        store.mkdir(parents=True)
        found = self.json("verify", "--from", self.copy)
        self.assertEqual(found["objects"]["checked"], 0)
        self.assertGreater(found["objects"]["missing"], 0)
        model = self.json("show", "--from", self.copy, "--type", "round-close")["entries"][0]
        damaged = store / model["model"][:2] / model["model"][2:]
        damaged.parent.mkdir()
        damaged.write_bytes(b"not the model")
        self.expect(3, "verify", "--from", self.copy)
        # Without the store the log is as good as before.
        shutil.copytree(self.served, self.folder / "alone/log")
        self.expect(0, "verify", "--from", self.folder / "alone")


class Show(LedgerTest):
    def test_filters(self):
        def indices(*arguments):
            found = self.json("show", "--from", self.copy, *arguments)
            return [entry["index"] for entry in found["entries"]]

        self.assertEqual(indices(2), [5, 6])
        self.assertEqual(indices("--type", "join"), [1, 2])
        self.assertEqual(indices("--type", "join", "--site", "hospital-b"), [2])
        wrong = self.expect(2, "show", "--from", self.copy, "--site", "nobody")
        self.assertIn('concerns a site "nobody"; its members are ', wrong.stderr)
        self.assertIn("hospital-a, hospital-b", wrong.stderr)
        wrong = self.expect(2, "show", 9999, "--from", self.copy)
        self.assertRegex(wrong.stderr, "the log holds no round 9999; its last is [0-9]+")
        self.expect(2, "show", 9999, "--study", "cxr-1", "--from", self.copy)
        # Both are there, only not together.
        self.assertEqual(indices(2, "--type", "join"), [])
        self.assertEqual(len(indices("--site", "hospital-a")), 598)
        wrong = self.expect(2, "show", "--from", self.copy, "--study", "ct-2")
        self.assertIn('no study "ct-2"; it holds cxr-1', wrong.stderr)
        # `t` counts up by one a second from 2025-12-29T09:20:00Z.
        self.assertEqual(indices("--since", 1767000000 + 598), [598, 599])
        self.assertEqual(indices("--since", "2025-12-29T09:29:59Z"), [599])
        self.assertEqual(len(indices("--since", "2025-12-29")), 600)
        self.expect(2, "show", "--from", self.copy, "--since", "yesterday")

    def test_is_a_table_for_people(self):
        lines = self.expect(0, "show", 2, "--from", self.copy).stdout.splitlines()
        self.assertIn("round-open", lines[1])
        self.assertIn("ok, 2 counted, 0 dropped", lines[2])
        self.assertIn("2 of 600 entries", lines[-1])


class Prove(LedgerTest):
    def test_gives_the_proofs_of_the_sequencer(self):
        for number, proof in enumerate(self.proofs["tlog_proofs"]):
            self.assertEqual(self.expect(0, "prove", "--index", 97 * number, "--from",
                                         self.copy).stdout, proof)

    def test_takes_rounds(self):
        close = self.json("prove", 2, "--from", self.copy)
        self.assertEqual(close["entry"]["index"], 6)
        self.assertEqual(self.json("prove", 2, "--open", "--from", self.copy)["entry"]["index"], 5)
        out = self.folder / "round.tlog-proof"
        self.assertEqual(self.expect(0, "prove", 2, "--from", self.copy, "--out", out).stdout, "")
        self.assertEqual(out.read_text(encoding="utf-8"), close["proof"])

    def test_says_what_is_not_there(self):
        self.expect(2, "prove", 5000, "--from", self.copy)
        self.expect(2, "prove", "--index", 600, "--from", self.copy)
        self.expect(2, "prove", "--from", self.copy)
        # 600 entries end with the open of round 299.
        self.expect(2, "prove", 299, "--from", self.copy)
        self.expect(0, "prove", 299, "--open", "--from", self.copy)


class Audit(LedgerTest):
    def test_needs_the_store(self):
        self.expect(2, "audit", 1, "--from", self.copy)
        self.expect(2, "export", 1, "--from", self.copy, "--out", self.folder / "export")
        (self.copy / "objects/sha256").mkdir(parents=True)
        self.expect(3, "audit", 1, "--from", self.copy)
        self.expect(3, "export", 1, "--from", self.copy, "--out", self.folder / "export")
        self.expect(2, "audit", 5000, "--from", self.copy)
        self.expect(2, "audit", 299, "--from", self.copy)

    def test_export_wants_an_empty_folder(self):
        done = self.expect(2, "export", 1, "--from", self.copy, "--out", self.copy)
        self.assertIn("not an empty folder", done.stderr)


    def test_export_writes_the_page(self):
        out = self.folder / "page"
        done = self.expect(0, "export", "--html", "--from", self.copy, "--out", out)
        self.assertIn("python3 -m http.server", done.stdout)
        self.assertIn("Content-Security-Policy", (out / "ledger.html").read_text(encoding="utf-8"))
        self.assertTrue((out / "ledger/main.js").exists())
        self.assertFalse((out / "objects").exists())
        self.expect(0, "verify", "--from", out)
        self.expect(2, "export", "--from", self.copy, "--out", self.folder / "nothing")
        policy = self.folder / "policy"
        policy.write_text(f"log {self.proofs['vkey']}\nquorum none\n", encoding="utf-8")
        out = self.folder / "with-policy"
        self.expect(0, "export", "--html", "--policy", policy, "--from", self.copy, "--out", out)
        self.assertEqual((out / "policy").read_bytes(), policy.read_bytes())


class Objects(LedgerTest):
    def close_of_round_one(self):
        entries = self.json("show", 1, "--from", self.copy)["entries"]
        return next(entry for entry in entries if entry["type"] == "round-close")

    def test_show_prints_ipfs_aliases(self):
        model = self.close_of_round_one()["model"]
        self.assertEqual(model, hashlib.sha256(b"model 1").hexdigest())
        stored = self.copy / "objects/sha256" / model[:2] / model[2:]
        stored.parent.mkdir(parents=True)
        stored.write_bytes(b"model 1")
        digest = bytes.fromhex("01551220" + model)
        cid = "b" + base64.b32encode(digest).decode().lower().rstrip("=")
        close = self.json("show", 1, "--cid", "--from", self.copy)["entries"][1]
        self.assertEqual(close["ipfs"][model], cid)
        self.assertTrue(close["ipfs"][close["object"]].startswith("bafkrei"))
        text = self.expect(0, "show", 1, "--cid", "--from", self.copy).stdout
        self.assertIn(cid, text)
        self.assertIn("sealed copy", text)
        self.assertIn("not in this store", self.expect(0, "show", 2, "--cid", "--from",
                                                       self.copy).stdout)
        stored.write_bytes(b"model 2")
        self.expect(3, "show", 1, "--cid", "--from", self.copy)
        shutil.copytree(self.served, self.folder / "alone")
        self.expect(2, "show", 1, "--cid", "--from", self.folder / "alone")

    def test_opens_a_sealed_copy_of_the_model_that_its_entry_names(self):
        sealed = self.close_of_round_one()["object"]
        out = self.folder / "model"
        arguments = ("open", sealed, "--from", self.copy, "--out", out, "--identity")
        found = self.json(*arguments, self.copy / "age.key")
        self.assertEqual(found["round"], 1)
        self.assertEqual(out.read_bytes(), b"model 1")
        out.unlink()
        stranger = self.folder / "stranger"
        subprocess.run(["age-keygen", "-o", stranger], check=True, capture_output=True)
        self.expect(4, *arguments, stranger)
        stored = self.copy / "sealed/sha256" / sealed[:2] / sealed[2:]
        stored.chmod(0o644)
        stored.write_bytes(stored.read_bytes()[:-1])
        self.expect(3, *arguments, self.copy / "age.key")
        self.expect(3, "verify", "--from", self.copy)
        stored.unlink()
        self.expect(2, *arguments, self.copy / "age.key")
        self.expect(2, "open", "0" * 64, *arguments[2:], self.copy / "age.key")
        self.assertFalse(out.exists())
        self.assertEqual(self.json("verify", "--from", self.copy)["sealed"],
                         {"checked": 0, "missing": 1})


class Fsck(LedgerTest):
    def test_lists_all_damage(self):
        found = self.json("fsck", "--from", self.copy)
        self.assertTrue(found["verified"])
        # A tile of an older size that no reader of the newest asks for, and two strangers.
        older = self.served / "tile/0/002.p/89"
        older.write_bytes(b"x" * 89 * 32)
        (self.served / "note.txt").write_text("x", encoding="utf-8")
        bad = self.copy / "objects/sha256/ab" / ("0" * 62)
        bad.parent.mkdir(parents=True)
        bad.write_bytes(b"x")
        done = ledger("fsck", "--from", self.copy, "--json")
        self.assertEqual(done.returncode, 3)
        faults = json.loads(done.stdout)["faults"]
        self.assertEqual(len(faults), 3, faults)
        older.unlink()
        older = self.served / "tile/0/002.p/44"
        older.write_bytes((self.served / "tile/0/002.p/88").read_bytes()[:44 * 32])
        (self.served / "note.txt").unlink()
        bad.unlink()
        self.expect(0, "fsck", "--from", self.copy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    OPTIONS = parser.parse_args()
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
