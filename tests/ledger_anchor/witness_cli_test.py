"""Runs `hilum-ledger witness` as an outside witness does, over HTTP, and kills it on the way.

Usage: witness_cli_test.py --bin FOLDER --vectors witness_add_checkpoint.json
"""
import argparse
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path

OPTIONS = None


def ledger(*arguments):
    return subprocess.run([OPTIONS.bin / "hilum-ledger", *map(str, arguments)],
                          capture_output=True, text=True, check=False, timeout=60)


class Witness:
    """The program in a folder; start, kill, start again."""

    def __init__(self, folder, log):
        self.folder, self.log = folder, log
        self.process, self.url = None, ""

    def start(self):
        self.process = subprocess.Popen(
            [OPTIONS.bin / "hilum-ledger", "witness", "--dir", self.folder, "--log", self.log,
             "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True)
        self.url = "http://" + json.loads(self.process.stdout.readline())["http"]

    def end(self, how):
        self.process.send_signal(how)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code

    def post(self, body):
        request = urllib.request.Request(self.url + "/add-checkpoint", body.encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers["Content-Type"]

    def monitor(self):
        name = hashlib.sha256(self.log.split("+")[0].encode()).hexdigest()
        with urllib.request.urlopen(f"{self.url}/{name}/checkpoint", timeout=10) as answer:
            return answer.read().decode()


class WitnessProgram(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "w"
        self.vectors = json.loads(OPTIONS.vectors.read_text(encoding="utf-8"))
        made = ledger("witness", "--dir", self.folder, "--create", self.vectors["witness_name"])
        self.assertEqual(made.returncode, 0, made.stderr)
        self.vkey = made.stdout.strip()
        self.witness = Witness(self.folder, self.vectors["log_vkey"])

    def start(self):
        self.witness.start()
        self.addCleanup(lambda: self.witness.process.poll() is None
                        and self.witness.end(signal.SIGKILL))

    def refused(self, code, words, *arguments):
        done = ledger("witness", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_answers_as_other_witnesses_although_it_is_killed_after_each_answer(self):
        self.start()
        for step in self.vectors["steps"]:
            status, body, kind = self.witness.post(step["request_body"])
            self.assertIn(status, {step.get("status_c2sp_v1", step["status"]),
                                   step.get("also_acceptable")}, body)
            if status == 409:
                self.assertEqual(kind, "text/x.tlog.size")
            if status == 200:
                self.assertIn(body, self.witness.monitor())
            self.assertEqual(self.witness.end(signal.SIGKILL), -signal.SIGKILL)
            self.witness.start()
        self.assertEqual(self.witness.end(signal.SIGTERM), 0)

    def test_one_key_one_witness(self):
        self.assertEqual((self.folder / "witness.key").stat().st_mode & 0o777, 0o600)
        self.refused(1, "already", "--dir", self.folder, "--create", "another")
        self.refused(2, "no witness in", "--dir", self.folder / "elsewhere", "--log", "x")
        self.refused(2, "--log", "--dir", self.folder)
        self.refused(2, "verifier key", "--dir", self.folder, "--log", "nonsense")

    def test_a_memory_that_is_gone_or_anothers_is_refused(self):
        log = self.vectors["log_vkey"]
        with sqlite3.connect(self.folder / "witness.sqlite") as database:
            database.execute("UPDATE witness SET vkey = 'another'")
        database.close()
        self.refused(1, "is of the witness", "--dir", self.folder, "--log", log)
        for file in self.folder.glob("witness.sqlite*"):
            file.unlink()
        self.refused(2, "must not sign again", "--dir", self.folder, "--log", log)

    def test_serves_a_pipe_until_it_is_closed(self):
        """As a site's agent runs it: frames of u32 length, kind and body."""
        process = subprocess.Popen(
            [OPTIONS.bin / "hilum-ledger", "witness", "--dir", self.witness.folder, "--log",
             self.witness.log, "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        body = b"0" * 64
        process.stdin.write((len(body) + 1).to_bytes(4, "big") + b"\1" + body)
        process.stdin.flush()
        length = int.from_bytes(process.stdout.read(4), "big")
        reply = process.stdout.read(length)
        self.assertEqual(int.from_bytes(reply[:2], "big"), 404)
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)
        process.stdout.close()

    def test_refuses_a_vast_frame(self):
        done = subprocess.run(
            [OPTIONS.bin / "hilum-ledger", "witness", "--dir", self.witness.folder, "--log",
             self.witness.log, "--pipe"], input=b"\xff\xff\xff\xff", capture_output=True,
            check=False, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"4294967295 bytes", done.stderr)

    def test_a_port_in_use_is_named(self):
        self.start()
        self.refused(1, "--listen", "--dir", self.folder, "--log", self.vectors["log_vkey"],
                     "--listen", self.witness.url.removeprefix("http://"))

    def test_judges_a_policy(self):
        policy = self.folder.parent / "policy"
        keys = [self.vkey]
        for name in ("b", "c"):
            keys.append(ledger("witness", "--dir", self.folder.parent / name, "--create",
                               name).stdout.strip())
        lines = [f"log {self.vectors['log_vkey']}"]
        lines += [f"witness w{i} {key}" for i, key in enumerate(keys)]
        policy.write_text("\n".join([*lines, "group g 2 w0 w1 w2", "quorum g", ""]))
        self.assertEqual(ledger("witness", "--check-policy", policy).returncode, 0)
        self.refused(4, "1", "--check-policy", policy, "--faults", "1")
        policy.write_text("\n".join([*lines, "group g all w0 w1 w2", "quorum g", ""]))
        self.assertEqual(
            ledger("witness", "--check-policy", policy, "--faults", "2").returncode, 0)
        policy.write_text("quorum nobody\n")
        self.refused(2, "", "--check-policy", policy)

    def test_shows_no_evidence_where_there_is_none(self):
        done = ledger("witness", "--dir", self.folder, "--evidence", "--json")
        self.assertEqual(json.loads(done.stdout), [])


def main():
    global OPTIONS  # pylint: disable=global-statement
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
