"""Runs docs/verify on a log that ledger_write_log wrote, with no program of Hilum in PATH.

Usage: verify_export_test.py --docs FOLDER --log FOLDER --go-cache FOLDER
"""
import argparse
import base64
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

OPTIONS = None


class VerifyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.copy = self.folder / "copy"
        shutil.copytree(OPTIONS.log, self.copy)
        self.log = self.copy / "ledger/log"
        self.proofs = json.loads((self.copy / "proofs.json").read_text(encoding="utf-8"))
        self.proof = self.folder / "x.tlog-proof"
        self.proof.write_text(self.proofs["tlog_proofs"][2], encoding="utf-8")

    def change(self, path, at=None):
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if at is None else at] ^= 1
        path.write_bytes(data)


    def grow(self):
        """The log has grown behind its checkpoint: full tiles stand in the partial ones' place."""
        for kind, more in (("entries", struct.pack(">H", 1) + b"x"), ("0", bytes(32))):
            part = self.log / f"tile/{kind}/002.p/88"
            data = part.read_bytes()
            shutil.rmtree(part.parent)
            (self.log / f"tile/{kind}/002").write_bytes(data + 168 * more)


class Python(VerifyTest):
    """The script with python3 and openssl, and nothing else, in PATH."""

    def setUp(self):
        super().setUp()
        self.tools = self.folder / "tools"
        self.tools.mkdir()
        for name, path in (("openssl", shutil.which("openssl")), ("python3", sys.executable)):
            (self.tools / name).symlink_to(path)

    def run_script(self, *arguments):
        return subprocess.run(
            [self.tools / "python3", OPTIONS.docs / "verify_export.py", *map(str, arguments)],
            env={"PATH": str(self.tools)}, capture_output=True, text=True, check=False, timeout=300)

    def expect(self, code, *arguments, word=""):
        done = self.run_script(self.copy, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 0 if code == 0 else 1, done.stderr)
        self.assertIn(word, done.stdout + done.stderr)

    def test_a_good_log(self):
        self.assertIsNone(shutil.which("hilum", path=str(self.tools)))
        self.expect(0, "--vkey", self.proofs["vkey"], "--proof", self.proof, word="600 entries")

    def test_a_log_that_has_grown(self):
        self.grow()
        self.expect(0, "--vkey", self.proofs["vkey"], word="600 entries")
        self.change(self.log / "tile/0/002", at=31 * 32)
        self.expect(3)

    def test_changed_files(self):
        for path in sorted(p for p in self.log.rglob("*") if p.is_file()):
            if path.parent.name.endswith(".p") and path.name != "88":
                continue  # of an older size: nothing of the checkpoint stands on it
            good = path.read_bytes()
            self.change(path)
            self.expect(3)
            path.write_bytes(good)
            path.rename(self.folder / "away")
            self.expect(3)
            (self.folder / "away").rename(path)

    def test_changed_proofs(self):
        text = self.proof.read_text(encoding="utf-8")
        lines = text.split("\n")
        for changed in (text.replace("index 194", "index 195"), text.replace("extra e", "extra f"),
                        "\n".join(lines[:4] + lines[5:]), text[:-30], "nonsense\n"):
            self.proof.write_text(changed, encoding="utf-8")
            self.expect(3, "--proof", self.proof)

    def test_another_key_and_a_policy(self):
        other = self.proofs["vkey"].replace("+", "+0", 1)
        self.expect(3, "--vkey", other)
        policy = self.folder / "policy"
        policy.write_text(f"log {self.proofs['vkey']}\nquorum none\n", encoding="utf-8")
        self.expect(0, "--policy", policy, word="policy    met")
        key = witness_key()
        policy.write_text(f"log {self.proofs['vkey']}\nwitness w {key}\nquorum w\n",
                          encoding="utf-8")
        self.expect(4, "--policy", policy, word="no quorum")

    def test_a_damaged_object(self):
        model = hashlib.sha256(b"model 1").hexdigest()
        path = self.copy / "objects/sha256" / model[:2] / model[2:]
        path.parent.mkdir(parents=True)
        path.write_bytes(b"model 1")
        self.expect(0, word="the models of 1 are among the 1 objects")
        path.write_bytes(b"model 2")
        self.expect(3, word="other bytes")


def witness_key():
    """Any verifier key of a witness: it needs no private half here."""
    typed = bytes([4]) + bytes.fromhex(
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key_id = hashlib.sha256(b"w.example\n" + typed).digest()[:4].hex()
    return f"w.example+{key_id}+{base64.b64encode(typed).decode()}"


class Go(VerifyTest):
    """The program with Debian's golang.org/x/mod."""

    def setUp(self):
        super().setUp()
        self.program = self.folder / "verify_export"
        self.environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                            "GOFLAGS": "", "GOCACHE": str(OPTIONS.go_cache)}
        subprocess.run(["go", "build", "-o", self.program, OPTIONS.docs / "verify_export.go"],
                       env=self.environment, check=True, timeout=300)

    def run_program(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True,
                              check=False, timeout=300)

    def test_a_good_log_and_changed_ones(self):
        vkey = self.proofs["vkey"]
        done = self.run_program(self.copy, vkey, self.proof)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("600 entries", done.stdout)
        self.assertIn("entry 194 of this log", done.stdout)
        for path in (self.log / "checkpoint", self.log / "tile/0/001", self.log / "tile/1/000.p/2",
                     self.log / "tile/entries/000", self.proof):
            good = path.read_bytes()
            self.change(path, at=40)
            self.assertEqual(self.run_program(self.copy, vkey, self.proof).returncode, 1, path)
            path.write_bytes(good)
        self.assertEqual(self.run_program(self.copy, witness_key()).returncode, 1)
        self.grow()
        self.assertEqual(self.run_program(self.copy, vkey, self.proof).returncode, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--docs", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--go-cache", type=Path, required=True)
    OPTIONS = parser.parse_args()
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
