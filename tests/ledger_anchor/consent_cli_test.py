"""Runs hilum-ledger on the log of tests/vectors/ledger/consent.json, whose tiles are written here:
what sites say in the ledger, shown and audited.

Usage: consent_cli_test.py --bin FOLDER --vectors FILE
"""
import argparse
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

OPTIONS = None
LIMIT = "This shows what the site committed to"


def write_log(vectors, folder):
    """The served files of the log (C2SP tlog-tiles) after its last entry."""
    entries = [entry.encode() for entry in vectors["entries"]]
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    files = {"checkpoint": vectors["checkpoint"].encode(),
             f"tile/0/000.p/{len(entries)}": bytes.fromhex("".join(vectors["leaf_hashes"])),
             f"tile/entries/000.p/{len(entries)}": bundle}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


class ConsentTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"
        self.vectors = json.loads(OPTIONS.vectors.read_text(encoding="utf-8"))
        write_log(self.vectors, self.log)

    def expect(self, code, verb, *arguments):
        done = subprocess.run([OPTIONS.bin / "hilum-ledger", verb,
                               *map(str, arguments), "--from", self.log],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, code, f"{verb} {arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), 0 if code == 0 else 1, done.stderr)
        return done

    def json(self, verb, *arguments):
        return json.loads(self.expect(0, verb, *arguments, "--json").stdout)

    def write(self, name, text):
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file


class Show(ConsentTest):
    def indices(self, *arguments):
        return [entry["index"] for entry in self.json("show", *arguments)["entries"]]

    def test_the_log_verifies(self):
        found = self.json("verify", "--vkey", self.vectors["log_vkey"],
                          "--entry-key", self.vectors["server_key"])
        self.assertTrue(found["verified"])
        self.assertEqual(found["trust"], "pinned")

    def test_by_type_site_and_time(self):
        for kind, expected in (("consent-batch", [2, 3]), ("train-manifest", [5]),
                               ("evaluation", [7]), ("incident", [8]), ("key-rotate", [9])):
            self.assertEqual(self.indices("--type", kind), expected, kind)
        self.assertEqual(self.indices("--site", "hospital-a"), list(range(1, 10)))
        self.assertIn("its members are hospital-a, server",
                      self.expect(2, "show", "--site", "hospital-b").stderr)
        # `t` counts up by one minute an entry from 2025-12-29T09:20:00Z.
        self.assertEqual(self.indices("--since", "2025-12-29T09:27:00Z"), [7, 8, 9])
        self.assertEqual(self.indices("--since", "2025-12-29T09:27:00Z", "--type", "evaluation",
                                      "--site", "hospital-a"), [7])
        # What is of round 1: an incident and an evaluation too.
        self.assertEqual(self.indices(1), [4, 5, 6, 7, 8])
        self.assertIn("key-rotate", self.expect(2, "show", "--type", "rotation").stderr)

    def test_all_fields_as_json(self):
        shown = self.json("show")["entries"]
        for entry, text in zip(shown, self.vectors["entries"]):
            for key, value in json.loads(text).items():
                self.assertEqual(entry[key], value)

    def test_a_table_for_people_with_the_limit_of_what_consents_show(self):
        lines = self.expect(0, "show").stdout.splitlines()
        about = {line.split()[0]: line for line in lines if line[:1].isdigit() or " " in line}
        self.assertIn("16 commitments with dummies", about["3"])
        self.assertIn("consents below entry 4", about["4"])
        self.assertIn("16 leaves with dummies", about["5"])
        self.assertIn("balanced_accuracy 0.875 of 40", about["7"])
        self.assertIn("policy: round-open, evidence a7fd865f4e05", about["8"])
        self.assertIn("entry key 48cca97f8993 ->", about["9"])
        self.assertTrue(any(line.startswith(LIMIT) for line in lines))
        self.assertIn(LIMIT, self.json("show", "--type", "train-manifest")["limit"])
        self.assertNotIn(LIMIT, self.expect(0, "show", "--type", "join").stdout)
        self.assertNotIn("limit", self.json("show", "--type", "join"))


class Audit(ConsentTest):
    def audit(self, code, disclosure, *arguments):
        return self.expect(code, "audit-consent", self.write("disclosure", disclosure), "--seed",
                           self.vectors["audit_seed"], "--samples", self.vectors["n_samples"],
                           *arguments)

    def test_what_the_site_disclosed_passes(self):
        receipt = self.write("receipt", self.vectors["receipt"])
        text = self.audit(0, self.vectors["disclosure"], "--receipt", receipt).stdout
        self.assertIn("1 receipts honoured", text)
        self.assertIn(LIMIT, text)
        found = json.loads(self.audit(0, self.vectors["disclosure"], "--receipt", receipt,
                                      "--json").stdout)
        self.assertEqual((found["revoked_absent"], found["consents_below"]), (1, 4))
        self.assertIn(LIMIT, found["limit"])

    def test_what_was_tampered_with_does_not(self):
        good = self.vectors["disclosure"]
        receipt = self.write("receipt", self.vectors["receipt"])
        parsed = json.loads(good)
        for change in (lambda d: d["revoked"].clear(),
                       lambda d: d["leaves"].pop(),
                       lambda d: d["leaves"][0]["manifest"].update(content="0" * 64),
                       lambda d: d["leaves"][0].pop("active"),
                       lambda d: d["revoked"][0].update(batch=2)):
            changed = json.loads(good)
            change(changed)
            self.assertNotEqual(changed, parsed)
            line = json.dumps(changed, sort_keys=True, separators=(",", ":")) + "\n"
            self.audit(3, line, "--receipt", receipt)
        self.audit(3, good + "\n")
        # Another seed than the auditor named; a receipt that is none.
        self.expect(3, "audit-consent", self.write("d", good), "--seed", "4712", "--samples",
                    self.vectors["n_samples"])
        self.audit(3, good, "--receipt", self.write("r", "{}\n"))
        self.expect(2, "audit-consent", self.write("d", good), "--seed", "4711", "--samples", 0)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
