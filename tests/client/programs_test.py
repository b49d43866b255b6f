"""hilum-site, hilum-infer and hilum-model as a hospital runs them: processes, exit codes, kills.

Usage: programs_test.py --bin FOLDER
"""
import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "demo/data"
OPTIONS = argparse.Namespace()
JOB = """
job = "cxr-test"
rounds = 2
seed = 3
[model]
init = "model0"
architecture = "covidnet-nano"
classes = ["normal", "pneumonia"]
profile = "cxr96"
min_age_years = 1
[training]
local_epochs = {epochs}
[cohort]
minimum = 2
grace_s = 30
[aggregation]
mode = "open"
clip_l2 = 50.0
max_weight = 1000
"""


def hilum(*arguments, expect=0):
    done = subprocess.run([str(OPTIONS.bin / "hilum"), *[str(a) for a in arguments]],
                          capture_output=True, text=True, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{arguments} ended with {done.returncode}, not {expect}:\n"
                             f"{done.stdout}{done.stderr}")
    return done


def hilum_json(*arguments):
    return json.loads(hilum(*arguments, "--json").stdout)


class Process:
    def __init__(self, out, *arguments):
        self.out = Path(out)
        with self.out.open("wb") as stream:
            command = [str(OPTIONS.bin / "hilum"), *[str(a) for a in arguments]]
            self.child = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)

    def event(self, name, limit_s=60, number=1):
        """The first line of the process with this event, or a later one."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            lines = self.out.read_text(encoding="utf-8").splitlines(keepends=True)
            events = [json.loads(line) for line in lines if line.endswith("\n")]
            found = [event for event in events if event.get("event") == name]
            if len(found) >= number:
                return found[number - 1]
            time.sleep(0.02)
        raise AssertionError(f"no event {name} in {self.out.read_text(encoding='utf-8')}")

    def kill(self):
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(20)
        return self.child.returncode


class Federation(unittest.TestCase):
    """One server and two sites in a folder that is gone afterwards."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="hilum-programs-"))
        cls.processes = []
        cls.server_dir = cls.folder / "server"
        hilum("server", "init", "--dir", cls.server_dir, "--federation", "test.example")
        cls.start_server("127.0.0.1:0")
        for site in ("hospital-a", "hospital-b"):
            token = hilum_json("server", "invite", "--dir", cls.server_dir, "--site", site)["token"]
            cls.join(site, token)
            config = cls.folder / site / "site.toml"
            text = config.read_text(encoding="utf-8")
            text = text.replace("allow_open = false", "allow_open = true")
            config.write_text(text.replace('"cxr128"', '"cxr96"'), encoding="utf-8")

    @classmethod
    def join(cls, site, token):
        return hilum("site", "join", "--dir", cls.folder / site, "--token", token,
                     "--server", cls.grpc)

    @classmethod
    def start_server(cls, grpc):
        cls.server = cls.start("server", "server", "run", "--dir", cls.server_dir, "--json",
                               "--grpc", grpc, "--http", "127.0.0.1:0")
        cls.grpc = cls.server.event("listening")["grpc"]

    @classmethod
    def start(cls, name, *arguments):
        process = Process(cls.folder / f"{name}.{len(cls.processes)}.out", *arguments)
        cls.processes.append(process)
        return process

    @classmethod
    def tearDownClass(cls):
        for process in reversed(cls.processes):
            process.stop()
        shutil.rmtree(cls.folder)

    def source(self, site, n_films):
        """A folder with some films of a demo site."""
        source = self.folder / f"source-{site}"
        shutil.rmtree(source, ignore_errors=True)
        (source / "films").mkdir(parents=True)
        for film in sorted((DEMO / "sites" / site / "films").iterdir())[:n_films]:
            shutil.copy(film, source / "films")
        shutil.copy(DEMO / "sites" / site / "labels.csv", source)
        shutil.copytree(DEMO / "sites" / site / "consent", source / "consent")
        return source

    def status(self, job="cxr-test"):
        return hilum_json("job", "status", job, *self.lead())

    def lead(self):
        return ["--as", self.server_dir / "operator", "--server", self.grpc]

    def wait_for(self, what, done, limit_s=120):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if done():
                return
            time.sleep(0.1)
        self.fail(f"{what}: not after {limit_s} s; {self.status()}")

    def test_1_import_prints_what_it_took(self):
        source = self.source("hospital-a", 8)
        (source / "films/bad.dcm").write_bytes(b"no film")
        site = ("site", "import", "--dir", self.folder / "hospital-a")
        dry = hilum_json(*site, source, "--dry-run")
        self.assertEqual((dry["accepted"], dry["rejected"], dry["dry_run"]), (8, 1, True))
        report = hilum_json(*site, source)
        self.assertEqual((report["accepted"], report["rejected"], report["unchanged"]), (8, 1, 0))
        self.assertEqual([s["code"] for s in report["studies"] if s["status"] == "rejected"],
                         ["NO_PREAMBLE"])
        self.assertEqual(report["consent"]["revoked"], 0)
        text = hilum(*site, source).stdout
        self.assertIn("NO_PREAMBLE", text)
        self.assertIn("8 films accepted (8 known before), 1 rejected", text)
        studies = hilum_json("site", "studies", "--dir", self.folder / "hospital-a")
        self.assertEqual([study["file"] for study in studies], ["films/bad.dcm"])
        hilum(*site, "dicomweb+http://127.0.0.1:9/", expect=5)  # nothing listens there
        hilum(*site, "dicomweb+ftp://127.0.0.1/", expect=2)
        hilum(*site, "/no/such/folder", expect=2)
        copy = shutil.copytree(source, self.folder / "copy")
        self.assertIn(f"Consent files of {source.resolve()}\n", hilum(*site, copy).stdout)
        shutil.rmtree(source)
        self.assertIn("--forget", hilum(*site, source, expect=2).stderr)
        report = hilum_json(*site, source, "--forget")
        self.assertEqual((report["other_sources"][0]["films"], report["removed"]), (8, 1))
        hilum("site", "import", "--dir", self.folder / "hospital-b", self.source("hospital-b", 8))

    def test_2_rounds_survive_the_kill_of_a_site_and_of_the_server(self):
        sites = {name: self.run_site(name) for name in ("hospital-a", "hospital-b")}
        self.write_job("cxr-test", epochs=20)
        hilum("site", "approve", "cxr-test", "--dir", self.folder / "hospital-a", expect=2)
        hilum("job", "launch", self.folder / "job.toml", *self.lead())
        watch = self.start("watch", "job", "watch", "cxr-test", "--json", *self.lead())
        for name, site in sites.items():
            self.assertEqual(site.event("job_offered")["answer"], "pending")
            hilum("site", "approve", "cxr-test", "--dir", self.folder / name)
        sites["hospital-b"].event("round_started")
        sites["hospital-b"].kill()
        sites["hospital-b"] = self.run_site("hospital-b")
        self.wait_for("round 1", lambda: self.closed_rounds() >= 1)
        self.server.kill()
        time.sleep(2.5)  # long enough for some tries to reconnect in vain
        self.start_server(self.grpc)
        self.wait_for("the job", lambda: self.status()["state"] == "done")
        self.assertEqual(watch.child.wait(20), 0)  # it found the server again and saw the end
        for summary in self.status()["history"]:
            self.assertEqual(sorted(summary["cohort"]), ["hospital-a", "hospital-b"], summary)
        self.look_at_status()
        self.judge_the_model()
        for site in sites.values():
            self.assertEqual(site.stop(), 0)

    def write_job(self, job, epochs):
        model = self.folder / "model0"
        if not model.exists():
            hilum("model", "init", "covidnet-nano", "--seed", 3, "--out", model, "--min-age", 1,
                  "--classes", "normal,pneumonia", "--profile", "cxr96")
        text = JOB.replace("cxr-test", job).format(epochs=epochs)
        (self.folder / "job.toml").write_text(text, encoding="utf-8")

    def run_site(self, name):
        started = time.monotonic()
        process = self.start(name, "site", "run", "--dir", self.folder / name, "--json")
        process.event("ready")
        self.assertLess(time.monotonic() - started, 5)  # 2 s on a computer that does nothing else
        return process

    def closed_rounds(self):
        return sum(1 for r in self.status()["history"] if r["status"] == "ok")

    def look_at_status(self):
        status = hilum_json("site", "status", "--dir", self.folder / "hospital-a")
        self.assertEqual([r["round"] for r in status["rounds"]], [1, 2])
        for record in status["rounds"]:
            self.assertEqual(record["phase"], "accepted")
            self.assertEqual(record["films"], 8)
            self.assertEqual(record["masking"], "none (open mode)")
            self.assertEqual(record["bytes_sent"], status["jobs"][0]["bytes_a_round"])
            self.assertEqual(len(record["sha256"]), 64)
        self.assertEqual(status["jobs"][0]["answer"], "approved")
        self.assertIn("none (open mode)",
                      hilum("site", "status", "--dir", self.folder / "hospital-a").stdout)
        probes = hilum_json("site", "doctor", "--dir", self.folder / "hospital-a")["probes"]
        self.assertTrue(all(probe["ok"] for probe in probes), probes)

    def judge_the_model(self):
        model = self.folder / "model"
        hilum("job", "model", "cxr-test", "--out", model, *self.lead())
        trust = ["--policy", model / "policy"]
        verified = hilum_json("model", "verify", model, *trust)
        self.assertEqual((verified["verified"], verified["round"]), (True, 2))
        site = ["--site", self.folder / "hospital-a"]
        self.assertEqual(hilum_json("model", "verify", model, *site), verified)
        evaluation = hilum_json("model", "evaluate", "--model", model, "--data", DEMO / "test",
                                *trust)
        self.assertEqual(evaluation["metrics"]["n"], 122)
        (self.folder / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
        card = ["model", "card", model, *trust, "--evaluation", self.folder / "evaluation.json"]
        hilum(*card, expect=2)  # the folder is signed
        hilum(*card, "--out", self.folder / "card.md")
        self.assertIn("AUROC, pneumonia", (self.folder / "card.md").read_text(encoding="utf-8"))
        self.say_it_in_the_ledger(model)
        self.show_the_consents()
        exported = self.folder / "exported"
        text = hilum("ledger", "export", 2, "--study", "cxr-test", "--from", self.server_dir,
                     "--out", exported).stdout
        self.assertIn(f"`hilum ledger audit 2 --study cxr-test --from {exported}`", text)
        hilum("ledger", "audit", 2, "--study", "cxr-test", "--from", exported)
        films = sorted((DEMO / "test/films").glob("*.dcm"))
        out = self.folder / "inference"
        infer = ("infer", "--model", model, "--out", out)
        one = hilum_json(*infer, films[0], *trust)
        self.assertEqual(one["model_sha256"], verified["model_sha256"])
        saved = json.loads((out / films[0].stem / "result.json").read_text(encoding="utf-8"))
        self.assertEqual(saved, one)
        self.assertTrue((out / films[0].stem / "overlay.png").exists())
        two = hilum_json(*infer, films[0], self.folder / "job.toml", *site)
        self.assertEqual([r["abstained"] for r in two], [False, True])
        hilum(*infer, films[0], expect=2)  # no pins
        hilum(*infer, "/no/such/film", *trust, expect=2)
        weights = bytearray((model / "model.safetensors").read_bytes())
        weights[-100] ^= 1
        (model / "model.safetensors").write_bytes(weights)
        done = hilum(*infer, films[0], *trust, expect=3)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1)
        hilum("model", "verify", model, *trust, expect=3)
        hilum("model", "evaluate", "--model", model, "--data", DEMO / "test", *trust, expect=3)

    def entries(self, kind):
        return hilum_json("ledger", "show", "--from", self.server_dir, "--site", "hospital-a",
                          "--type", kind)["entries"]

    def say_it_in_the_ledger(self, model):
        """The hospital logs what it found, and that something was wrong; its agent runs."""
        site = ("--dir", self.folder / "hospital-a")
        judge = ("site", "evaluate", "--model", model, "--data", DEMO / "test", *site)
        dry = hilum_json(*judge, "--dry-run")
        self.assertNotIn("index", dry)
        self.assertEqual(self.entries("evaluation"), [])
        logged = hilum_json(*judge)
        entry, = self.entries("evaluation")
        self.assertEqual((entry["index"], entry["dataset"]), (logged["index"], dry["dataset"]))
        self.assertEqual(entry["metrics"]["items"][0]["name"], "balanced_accuracy")
        self.assertEqual(entry["metrics"]["items"][0]["n"], 122)
        report = ("--about", "server", "--round", 2, "--study", "cxr-test", "--evidence",
                  self.folder / "evaluation.json", *site)
        index = hilum_json("site", "incident", "bad-sum", *report)["index"]
        self.assertEqual(hilum_json("site", "incident", "bad-sum", *report)["index"], index)
        entry, = self.entries("incident")
        self.assertEqual((entry["index"], entry["kind"]), (index, "bad-sum"))
        kept = self.folder / "hospital-a/evidence" / entry["evidence"]
        self.assertEqual(kept.read_bytes(), (self.folder / "evaluation.json").read_bytes())
        text = hilum("site", "incident", "gossip", *report, expect=2).stderr
        self.assertIn("is not one of fork, rollback, stale, witness-lost,", text)
        text = " ".join(hilum("site", "incident", "--help").stdout.split())
        self.assertIn("One of fork, rollback, stale, witness-lost, witness-faulty, bad-update, "
                      "bad-sum, left-out, policy, anchor", text)

    def show_the_consents(self):
        """What a patient and an auditor get, and what becomes of it when it is changed."""
        site = ("--dir", self.folder / "hospital-a")
        receipt = self.folder / "receipt.json"
        shown = hilum_json("site", "receipt", "DEMO-A-0001", "--study", "cxr-test", "--out",
                           receipt, *site)
        self.assertEqual(shown["action"], "grant")
        self.assertIn("does not show", shown["limit"])
        self.assertEqual(hilum_json("site", "receipt", "--verify", receipt, *site), shown)
        text = receipt.read_text(encoding="utf-8")
        receipt.write_text(text.replace("grant", "revoke"), encoding="utf-8")
        hilum("site", "receipt", "--verify", receipt, *site, expect=3)
        hilum("site", "receipt", "nobody", "--study", "cxr-test", "--out", receipt, *site,
              expect=2)
        disclosure = self.folder / "disclosure.json"
        hilum("site", "disclose", 2, "--study", "cxr-test", "--seed", "4711", "--out", disclosure,
              *site)
        audit = ("ledger", "audit-consent", disclosure, "--from", self.server_dir, "--seed")
        found = hilum_json(*audit, "4711")
        self.assertEqual((found["patients"], found["dummies"]), (8, 8))
        hilum(*audit, "4712", expect=3)
        opened, = [e for e in hilum_json("ledger", "show", 2, "--from", self.server_dir)["entries"]
                   if e["type"] == "round-open"]
        self.assertEqual([p["site"] for p in opened["consent"]["sites"]["items"]],
                         ["hospital-a", "hospital-b"])

    def test_3_what_a_policy_forbids_is_exit_code_4(self):
        folder = self.folder / "hospital-a"
        config = folder / "site.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("allow_open = true", "allow_open = false"), encoding="utf-8")
        site = self.run_site("hospital-a")
        self.write_job("cxr-policy", epochs=1)
        hilum("job", "launch", self.folder / "job.toml", *self.lead())

        def job():
            jobs = hilum_json("site", "status", "--dir", folder)["jobs"]
            return next((job for job in jobs if job["job"] == "cxr-policy"), {})
        self.wait_for("the offer", lambda: job().get("answer") == "denied")
        done = hilum("site", "approve", "cxr-policy", "--dir", folder, expect=4)
        self.assertIn("open mode", done.stderr)
        config.write_text(text, encoding="utf-8")
        hilum("site", "deny", "cxr-policy", "--dir", folder)
        self.assertEqual((job()["answer"], job()["answered_by"]), ("denied", "operator"))
        hilum("job", "cancel", "cxr-policy", *self.lead())
        self.wait_for("the end", lambda: job()["state"] == "cancelled")
        for verb in ("approve", "deny"):
            done = hilum("site", verb, "cxr-policy", "--dir", folder, expect=1)
            self.assertIn("job cxr-policy is cancelled; an answer has no effect", done.stderr)
        self.assertEqual((job()["answer"], job()["answered_by"]), ("denied", "operator"))
        self.assertEqual(site.stop(), 0)

    def test_4_mistakes_are_exit_code_2_and_one_sentence(self):
        site = self.folder / "hospital-a"
        for arguments in (("status", "--dir", self.folder / "nowhere"), ("status",),
                          ("approve", "no-such-job", "--dir", site), ("fly", "--dir", site)):
            done = hilum("site", *arguments, expect=2)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        config = site / "site.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text + "colour = 3\n", encoding="utf-8")
        self.assertIn("colour", hilum("site", "status", "--dir", site, expect=2).stderr)
        config.write_text(text, encoding="utf-8")
        self.assertIn("allow_open", hilum("site", "run", "--dir", site, "--print-config").stdout)

    def test_5_a_full_disk_is_waited_out(self):
        # A limit on the size of files, as a full disk: what the agent prints is smaller.
        def limit(site, limit_bytes):
            resource.prlimit(site.child.pid, resource.RLIMIT_FSIZE, (limit_bytes, -1))

        sites = {name: self.run_site(name) for name in ("hospital-a", "hospital-b")}
        full = sites["hospital-a"]
        full.event("connected")
        limit(full, 4096)
        self.write_job("cxr-full", epochs=1)
        hilum("job", "launch", self.folder / "job.toml", *self.lead())
        self.assertIn("disk", full.event("waiting")["reason"])
        hilum("site", "approve", "cxr-full", "--dir", self.folder / "hospital-b")
        limit(full, -1)
        hilum("site", "approve", "cxr-full", "--dir", self.folder / "hospital-a")
        full.event("round_started")
        limit(full, 4096)
        full.event("waiting", number=2)
        limit(full, -1)
        self.wait_for("the job", lambda: self.status("cxr-full")["state"] == "done")
        for summary in self.status("cxr-full")["history"]:
            self.assertEqual(sorted(summary["cohort"]), ["hospital-a", "hospital-b"], summary)
        for site in sites.values():
            self.assertEqual(site.stop(), 0)

    def test_5_what_a_peer_sends_is_taken_up_and_who_may_send_is_said(self):
        site = self.folder / "hospital-b"
        config = site / "site.toml"
        before = config.read_text(encoding="utf-8")
        self.addCleanup(config.write_text, before, encoding="utf-8")
        text = hilum("site", "import", "--dir", site, "scp", expect=2).stderr
        self.assertIn("[scp] callers", text)
        config.write_text(before + """
[scp]
listen = "127.0.0.1:0"
callers = ["CT1"]
peers = ["127.0.0.1"]
""", encoding="utf-8")
        receiver = self.start("scp", "site", "import", "--dir", site, "scp", "--json")
        port = receiver.event("listening")["address"].rpartition(":")[2]
        jpeg_ls = b"1.2.840.10008.1.2.4.80"
        # Of another hospital, so without a Consent here: no round changes.
        film = next(f for f in sorted((DEMO / "sites/hospital-a/films").iterdir())
                    if jpeg_ls in f.read_bytes())
        for title, code in (("CT2", 1), ("CT1", 0)):
            done = subprocess.run(["storescu", "-xt", "-aet", title, "-aec", "HILUM", "127.0.0.1",
                                   port, str(film)], capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode == 0, code == 0, done.stderr)
        self.assertEqual(receiver.event("association")["end"], "calling AE title")
        self.assertEqual(receiver.event("association", number=2)["stored"], 1)
        report = receiver.event("taken-up", number=2)["report"]  # the first: an empty inbox
        self.assertEqual((report["accepted"], report["rejected"]), (0, 1))
        self.assertEqual(receiver.stop(), 0)
        text = hilum("site", "import", "--dir", site, "dicomweb", expect=2).stderr
        self.assertIn("[dicomweb]", text)

    def test_6_joining_needs_a_reachable_server_and_a_good_token(self):
        token = hilum_json("server", "invite", "--dir", self.server_dir,
                           "--site", "hospital-c")["token"]
        there = self.folder / "hospital-c"
        join = ("site", "join", "--dir", there, "--token")
        hilum(*join, token, "--server", "127.0.0.1:1", expect=5)
        hilum(*join, "nonsense", "--server", self.grpc, expect=2)
        self.assertFalse(there.exists())
        hilum(*join, token, "--server", self.grpc)
        hilum(*join, token, "--server", self.grpc, expect=2)
        for name in ("tls.key", "entry.key", "pseudonym.key"):
            self.assertEqual((there / "keys" / name).stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    OPTIONS = parser.parse_args()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Federation)
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
