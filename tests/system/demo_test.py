"""Checks a run of the demo from outside: its JSON, its files, what tampering does to them.

Usage: demo_test.py --bin FOLDER --run FOLDER PART; the parts stand at the end of this file.
`demo` makes the run; the others look at it.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SEED = 7
OPTIONS = argparse.Namespace()


def run_demo(folder, *arguments):
    """Runs the demo with --json; returns its object."""
    command = [sys.executable, ROOT / "demo/run.py", "--json", "--fresh", "--dir", folder,
               "--seed", str(SEED), "--bin", OPTIONS.bin, *arguments]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                          check=True)
    return json.loads(done.stdout)


def demo_folder():
    return OPTIONS.run / "demo"


def summary():
    return json.loads((demo_folder() / "results.json").read_text(encoding="utf-8"))


def hilum(*arguments):
    command = [str(OPTIONS.bin / "hilum"), *[str(a) for a in arguments]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def balanced_accuracy(labels, predictions):
    recalls = []
    for name in sorted(set(labels)):
        mine = [p == name for label, p in zip(labels, predictions) if label == name]
        recalls.append(sum(mine) / len(mine))
    return sum(recalls) / len(recalls)


def auroc(labels, scores, positive):
    """The share of (positive, other) pairs in the right order; ties count half."""
    ours = [s for label, s in zip(labels, scores) if label == positive]
    others = [s for label, s in zip(labels, scores) if label != positive]
    wins = sum((a > b) + 0.5 * (a == b) for a in ours for b in others)
    return wins / (len(ours) * len(others))


class Demo(unittest.TestCase):
    def test_runs(self):
        run_demo(demo_folder())


class Summary(unittest.TestCase):
    """The object of interfaces.md, and the story that the demo tells."""

    def test_holds_the_fields(self):
        found = summary()
        for key in ("sites", "rounds", "secure_aggregation", "metrics", "leak_audit",
                    "ledger_verified", "ledger_size", "ledger_dir", "log_vkey", "witness_vkeys",
                    "replay_verified", "anchor", "model_sha256", "model_dir", "state_dir",
                    "inference", "seconds"):
            self.assertIn(key, found)
        for row in (found["metrics"]["federated"], found["metrics"]["pooled"],
                    *found["metrics"]["local_only"].values()):
            for key in ("balanced_accuracy", "auroc", "n", "ci95"):
                self.assertIn(key, row)
            self.assertLessEqual(row["ci95"][0], row["balanced_accuracy"])
            self.assertGreaterEqual(row["ci95"][1], row["balanced_accuracy"])
        self.assertEqual(set(found["metrics"]["local_only"]), set(found["sites"]))
        self.assertTrue(found["ledger_verified"])
        self.assertTrue(found["replay_verified"])
        self.assertEqual(found["leak_audit"]["split_overlap"], 0)

    def test_the_leak_audit_is_a_table_on_both_pages(self):
        audit = summary()["leak_audit"]
        text = (demo_folder() / "results.txt").read_text(encoding="utf-8")
        page = (demo_folder() / "report.html").read_text(encoding="utf-8")
        for line in audit["table"]:
            self.assertIn(f"{line['row']}  ", text)
            self.assertIn(f"<td>{line['row']}</td>", page)
            self.assertIn(f"<td>{line['verdict']}</td>", page)
        self.assertEqual(audit["promoted"], not audit["reasons"])
        self.assertIn("AUROC on held-out films by round", page)
        self.assertNotIn("nothing is known yet", page)
        figures = (demo_folder() / "report.evaluation.csv").read_text(encoding="utf-8")
        self.assertIn('"federated","all","auroc","pneumonia",', figures)

    def test_the_ledger_is_cosigned_by_a_quorum_of_the_sites(self):
        found = summary()
        note = (Path(found["ledger_dir"]) / "checkpoint").read_text(encoding="utf-8")
        signers = [line.split()[1] for line in note.splitlines() if line.startswith("\u2014 ")]
        names = [vkey.split("+")[0] for vkey in found["witness_vkeys"]]
        self.assertEqual(len(names), 6)
        self.assertGreaterEqual(len(set(signers) & set(names)), found["quorum"])
        self.assertEqual(found["quorum"], 4)

    def test_an_authority_vouches_for_the_last_checkpoint(self):
        found = summary()
        self.assertEqual(found["anchor"]["size"], found["ledger_size"])
        self.assertTrue(found["anchor"]["verified"])
        receipt = demo_folder() / "export/anchors/rfc3161" / str(found["ledger_size"])
        note = receipt.with_name(f"{receipt.name}.note")
        done = subprocess.run(["openssl", "ts", "-verify", "-in", receipt, "-data", note,
                               "-CAfile", demo_folder() / "authority/ca.pem"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        checkpoint = (Path(found["ledger_dir"]) / "checkpoint").read_text(encoding="utf-8")
        self.assertEqual(note.read_text(encoding="utf-8").split("\n\n")[0],
                         checkpoint.split("\n\n")[0])
        self.assertIn(f"openssl ts -verify -in {receipt}",
                      (demo_folder() / "results.txt").read_text(encoding="utf-8"))

    def test_the_killed_site_is_dropped_and_comes_back(self):
        rounds = {r["round"]: r for r in summary()["rounds"]}
        self.assertEqual(rounds[2]["dropped"]["items"], ["hospital-a"])
        self.assertNotIn("hospital-a", rounds[2]["cohort"]["items"])
        self.assertIn("hospital-a", rounds[3]["cohort"]["items"])
        self.assertEqual(rounds[1]["cohort"]["n"], 6)

    def test_the_revoked_patient_is_left_out(self):
        done = hilum("site", "status", "--dir", demo_folder() / "sites/hospital-b", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        films = {r["round"]: r["films"] for r in json.loads(done.stdout)["rounds"]}
        last = (len(summary()["rounds"]) + 1) // 2  # of the first launch
        self.assertEqual(films[last] - films[last + 1], 2, films)  # DEMO-B-0011 has two films

    def test_the_revocation_stands_in_the_ledger_before_the_next_round(self):
        consent = summary()["consent"]
        self.assertEqual((consent["site"], consent["patient"]), ("hospital-b", "DEMO-B-0011"))
        self.assertLess(consent["revocation_entry"], consent["next_round_entry"])
        self.assertLess(consent["next_round_entry"], consent["manifest_entry"])
        self.assertEqual(consent["next_round"], (len(summary()["rounds"]) + 1) // 2 + 1)
        self.assertTrue(consent["next_round_pins"]["is_the_revocation"])
        self.assertEqual(consent["next_round_pins"]["active_root"], consent["active_set_after"])
        self.assertNotEqual(consent["active_set_before"], consent["active_set_after"])
        self.assertEqual(consent["receipt"]["action"], "revoke")
        self.assertGreaterEqual(len(consent["receipt"]["witnesses"]), summary()["quorum"])
        self.assertEqual(consent["audit"]["receipts_honoured"], 1)
        self.assertEqual(consent["audit"]["revoked_absent"], 1)
        page = (demo_folder() / "results.txt").read_text(encoding="utf-8")
        self.assertIn(consent["limit"], page)
        self.assertIn("It does not show that nothing else was trained on", page)
        self.assertIn(f"entry {consent['revocation_entry']}: hospital-b logs", page)

    def test_the_result_names_model_round_and_proof(self):
        finding = summary()["inference"]
        self.assertEqual(finding["model_sha256"], summary()["model_sha256"])
        self.assertIn("research use only", json.dumps(finding).lower())

    def test_the_same_folder_twice_is_refused(self):
        done = subprocess.run([sys.executable, ROOT / "demo/run.py", "--dir", demo_folder(),
                               "--bin", OPTIONS.bin], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds an earlier run", done.stderr)


class Recompute(unittest.TestCase):
    """The federated figures again, from the released model and the films, one result at a time."""

    def test_federated_metrics(self):
        found = summary()
        test_dir = ROOT / "demo/data/test"
        rows = list(csv.DictReader((test_dir / "labels.csv").open(encoding="utf-8")))
        films = [test_dir / "films" / row["file"] for row in rows]
        model = Path(found["model_dir"])
        out = OPTIONS.run / "recompute"
        shutil.rmtree(out, ignore_errors=True)
        done = hilum("infer", *films, "--model", model, "--policy", model / "policy", "--out", out,
                     "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        results = {Path(r["file"]).name: r for r in json.loads(done.stdout)}
        probabilities = [results[row["file"]]["probabilities"] for row in rows]
        labels = [row["label"] for row in rows]
        predictions = [max(p, key=p.get) for p in probabilities]
        federated = found["metrics"]["federated"]
        self.assertEqual(len(rows), federated["n"])
        self.assertAlmostEqual(balanced_accuracy(labels, predictions),
                               federated["balanced_accuracy"], places=4)
        for name, value in federated["auroc"].items():
            scores = [p[name] for p in probabilities]
            self.assertAlmostEqual(auroc(labels, scores, name), value, places=4)


class Tamper(unittest.TestCase):
    """One changed byte anywhere fails with exit code 3."""

    def setUp(self):
        self.copy = OPTIONS.run / "tampered"
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(demo_folder() / "server", self.copy / "server",
                        ignore=shutil.ignore_patterns("run", "*.lock"))
        shutil.copytree(demo_folder() / "export", self.copy / "export")
        shutil.copytree(demo_folder() / "model", self.copy / "model")
        self.last = summary()["rounds"][-1]["round"]

    def flip(self, path, position):
        data = bytearray(path.read_bytes())
        data[position if position >= 0 else len(data) + position] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)

    def expect_3(self, *arguments):
        done = hilum(*arguments)
        self.assertEqual(done.returncode, 3, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def verify(self):
        return ("ledger", "verify", "--from", self.copy / "server")

    def audit(self):
        return ("ledger", "audit", self.last, "--from", self.copy / "export")

    def test_untouched_copies_pass(self):
        for arguments in (self.verify(), self.audit()):
            done = hilum(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_tiles_and_bundles(self):
        tiles = [p for p in (self.copy / "server/ledger/log/tile").rglob("*") if p.is_file()]
        self.assertGreaterEqual(len(tiles), 2)
        newest = {p.parent: p for p in sorted(tiles, key=lambda p: int(p.name))}
        for path in newest.values():
            with self.subTest(path=str(path)):
                self.flip(path, path.stat().st_size // 2)
                self.expect_3(*self.verify())
                self.flip(path, path.stat().st_size // 2)

    def test_checkpoint_text_and_signature(self):
        path = self.copy / "server/ledger/log/checkpoint"
        lines = path.read_bytes().split(b"\n")
        for name, position in (("root", len(lines[0]) + len(lines[1]) + 6), ("signature", -10)):
            with self.subTest(part=name):
                self.flip(path, position)
                self.expect_3(*self.verify())
                self.flip(path, position)

    def test_every_exported_object(self):
        objects = [p for p in (self.copy / "export").rglob("*")
                   if p.is_file() and p.parent.parent.name == "sha256"]
        self.assertGreaterEqual(len(objects), 8)  # updates, models, record, plan, config
        for path in objects:
            with self.subTest(object=path.name):
                self.flip(path, path.stat().st_size // 2)
                self.expect_3(*self.audit())
                self.flip(path, path.stat().st_size // 2)

    def test_model(self):
        model = self.copy / "model"
        film = sorted((ROOT / "demo/data/test/films").glob("*.dcm"))[0]
        self.flip(model / "model.safetensors", -100)
        self.expect_3("infer", film, "--model", model, "--policy", model / "policy",
                      "--out", self.copy / "inference")
        self.expect_3("model", "evaluate", "--model", model, "--policy", model / "policy",
                      "--data", ROOT / "demo/data/test")


class WithoutHilum(unittest.TestCase):
    """The commands that the demo's page shows, with tools that others wrote."""

    def setUp(self):
        found = summary()
        self.export = demo_folder() / "export"
        self.model = Path(found["model_dir"])
        self.vkey = found["log_vkey"]
        self.proof = self.model / "round.tlog-proof"

    def run_command(self, *command, **environment):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False, env={**os.environ, **environment}, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_python_and_openssl(self):
        text = self.run_command(sys.executable, ROOT / "docs/verify/verify_export.py", self.export,
                                "--vkey", self.vkey, "--policy", self.model / "policy",
                                "--proof", self.proof)
        self.assertIn("policy    met", text)
        self.assertIn("nothing of Hilum was asked", text)

    def test_gos_own_log_library(self):
        text = self.run_command("go", "run", ROOT / "docs/verify/verify_export.go", self.export,
                                self.vkey, self.proof, GO111MODULE="off", GOFLAGS="",
                                GOPATH="/usr/share/gocode", GOCACHE=str(OPTIONS.run / "go_cache"))
        self.assertIn("of this log", text)

    def test_the_page_names_the_commands_and_the_page_is_there(self):
        text = (demo_folder() / "results.txt").read_text(encoding="utf-8")
        for word in ("verify_export.py", "verify_export.go", "ledger.html", self.vkey):
            self.assertIn(word, text)
        self.assertTrue((self.export / "ledger.html").exists())
        self.assertTrue((self.export / "policy").exists())


class KillServer(unittest.TestCase):
    def test_the_model_is_the_same(self):
        found = run_demo(OPTIONS.run / "kill_server", "--kill-server", "2", "--skip-compare")
        self.assertEqual(found["model_sha256"], summary()["model_sha256"])
        self.assertTrue(any("server was killed" in event for event in found["events"]))
        self.assertTrue(found["ledger_verified"] and found["replay_verified"])


class Permuted(unittest.TestCase):
    """A model that learned from shuffled labels knows nothing: within the noise of chance."""

    def test_falls_to_chance(self):
        found = run_demo(OPTIONS.run / "permuted", "--permute-labels", "--skip-compare")
        # n = 122: a standard deviation of 0.045 around 0.5; four of them.
        self.assertLess(abs(found["metrics"]["federated"]["balanced_accuracy"] - 0.5), 0.18)


PARTS = {"demo": Demo, "summary": Summary, "recompute": Recompute, "tamper": Tamper,
         "kill_server": KillServer, "without_hilum": WithoutHilum, "permuted": Permuted}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("part", choices=PARTS)
    OPTIONS = parser.parse_args()
    OPTIONS.run.mkdir(parents=True, exist_ok=True)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(PARTS[OPTIONS.part])
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
