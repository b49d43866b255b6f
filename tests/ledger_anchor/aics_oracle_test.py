"""Our log in other hands: aics-tlog authenticates every tile and proof of it; aics-witness, over
HTTP, cosigns its growth, and `hilum-ledger` counts that cosignature.

Usage: aics_oracle_test.py --bin FOLDER --log FOLDER

The folder is what ledger_write_log wrote. Both packages are test oracles of tools/dependencies.txt.
"""
import argparse
import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import aics_tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPTIONS = argparse.Namespace()
ORIGIN = "fl.example/ledger"
LOG_SEED = bytes([1]) + bytes(31)  # of ledger_write_log
WITNESS = "aics.example/witness"
START_TIMEOUT_S = 20


def log_folder():
    return OPTIONS.log / "ledger/log"


def proofs():
    return json.loads((OPTIONS.log / "proofs.json").read_text(encoding="utf-8"))


def unbase64(hashes):
    return [base64.b64decode(text) for text in hashes]


class Tlog(unittest.TestCase):
    def setUp(self):
        note = aics_tlog.parse_note((log_folder() / "checkpoint").read_bytes())
        found = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(proofs()["vkey"]),
                                            expected_origin=ORIGIN)
        self.assertTrue(found.ok, found)
        self.checkpoint = aics_tlog.parse_checkpoint(note.text)

    def test_authenticates_every_tile_and_bundle(self):
        reader = aics_tlog.FileSystemTileReader(log_folder())
        aics_tlog.audit_tiles(reader, self.checkpoint.size, self.checkpoint.root)

    def test_finds_a_changed_tile(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "log"
            shutil.copytree(log_folder(), copy)
            tile = copy / "tile/0/001"
            data = bytearray(tile.read_bytes())
            data[40] ^= 1
            tile.write_bytes(data)
            with self.assertRaises(aics_tlog.TileVerificationError):
                aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(copy), self.checkpoint.size,
                                      self.checkpoint.root)

    def test_takes_our_consistency_proofs(self):
        for case in proofs()["consistency"]:
            old, new = (base64.b64decode(case[key]) for key in ("old_root", "root"))
            self.assertTrue(aics_tlog.verify_consistency(case["old"], case["size"], old, new,
                                                         unbase64(case["proof"])), case)


class Witness(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.config = self.folder / "witness.json"
        self.vkey = self.call("init", "--name", WITNESS).split()[-1]
        self.call("add-log", "--origin", ORIGIN, "--vkey", proofs()["vkey"])
        self.start()

    def command(self, verb, *arguments):
        return [sys.executable, "-m", "aics_witness", verb, "--config", self.config, *arguments]

    def call(self, verb, *arguments):
        done = subprocess.run(self.command(verb, *arguments), capture_output=True, text=True,
                              check=False, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def start(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        log = (self.folder / "log").open("w", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(self.command("serve", "--listen", f"127.0.0.1:{port}"),
                                   stdout=log, stderr=log, cwd=self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        self.fail((self.folder / "log").read_text(encoding="utf-8"))

    def ask(self, old, note, proof=()):
        """(status, body) of add-checkpoint; `proof` in base64."""
        body = "".join([f"old {old}\n", *(text + "\n" for text in proof), "\n", note])
        request = urllib.request.Request(f"{self.url}/add-checkpoint", data=body.encode())
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def verify(self, note, vkey):
        """Exit code of `hilum-ledger verify` under a policy that asks for this one witness."""
        copy = self.folder / "copy"
        shutil.copytree(log_folder(), copy, dirs_exist_ok=True)
        (copy / "checkpoint").write_text(note, encoding="utf-8")
        policy = self.folder / "policy"
        policy.write_text(f"log {proofs()['vkey']}\nwitness w {vkey}\nquorum w\n",
                          encoding="utf-8")
        done = subprocess.run([OPTIONS.bin / "hilum-ledger", "verify", "--from", copy, "--policy",
                               policy], capture_output=True, text=True, check=False)
        return done.returncode

    def test_cosigns_our_log_as_it_grows_and_we_count_it(self):
        known = next(c for c in proofs()["consistency"] if c["size"] == 405)
        older = aics_tlog.sign_checkpoint(
            aics_tlog.Checkpoint(ORIGIN, 405, base64.b64decode(known["root"])),
            Ed25519PrivateKey.from_private_bytes(LOG_SEED), ORIGIN)
        self.assertEqual(self.ask(0, older.to_bytes().decode())[0], 200)

        published = (log_folder() / "checkpoint").read_text(encoding="utf-8")
        size = int(published.splitlines()[1])
        proof = [base64.b64encode(digest).decode() for digest in
                 aics_tlog.consistency_proof_from_tiles(
                     aics_tlog.FileSystemTileReader(log_folder()), 405, size, size)]
        status, line = self.ask(405, published, proof)
        self.assertEqual(status, 200, line)
        self.assertEqual(self.ask(405, published, proof)[0], 409)
        self.assertEqual(self.verify(published + line, self.vkey), 0)
        self.assertEqual(self.verify(published, self.vkey), 4, "nobody has cosigned it")
        name, _, text = line.strip().rpartition(" ")
        signature = bytearray(base64.b64decode(text))
        signature[-1] ^= 1
        damaged = f"{name} {base64.b64encode(signature).decode()}\n"
        self.assertEqual(self.verify(published + damaged, self.vkey), 3)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    global OPTIONS  # pylint: disable=global-statement
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
