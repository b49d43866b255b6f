"""The demo: six sites train a model together on real chest films, on this computer.

What happens, in this order: the server and six sites start as separate programs; each site imports
its own DICOM films and consents; the job is launched, approved by every site and trained; in round
2 one site is killed (SIGKILL) and comes back; between two rounds a patient's consent is revoked;
the model is compared with what each site would have reached alone; a time-stamp authority vouches
for the ledger's last checkpoint; the ledger is verified and a round replayed offline; one film gets
a result with its proof. Standard library and openssl.
"""
import argparse
import json
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from authority import Authority
from consent import Revocation
from federation import ROOT, DemoError, Federation, Programs
from page import Progress, results_page

FEDERATION_NAME = "demo.hilum.example"
JOB = "cxr-demo"
KILLED_SITE = "hospital-a"  # the largest: it trains longest, so the blow cannot come too late
KILL_ROUND = 2
ROUNDS = 36
MARKER = ".hilum-demo"  # only a folder that holds it is ever deleted
SEED_LIMIT = 2**53 - 1  # as in JOB.toml
EVALUATIONS = 9  # of the rounds' models, on the common test films
POLL_S = 1
POLL_SOON_S = 0.1  # while a blow is due: it must not come too late
JOB_LIMIT_S = 900


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N",
                        help=f"rounds in all ({ROUNDS})")
    parser.add_argument("--seed", type=int, default=7, metavar="N",
                        help="fixes training and rounding, never keys (7)")
    parser.add_argument("--dir", type=Path, metavar="D",
                        help="where all files go and stay, when the demo fails too (a new folder "
                             "under demo-run/)")
    parser.add_argument("--fresh", action="store_true", help="delete what an earlier run left in D")
    parser.add_argument("--keep", action="store_true",
                        help="leave server and sites running at the end, until Ctrl-C")
    parser.add_argument("--kill-server", type=int, metavar="ROUND",
                        help="kill the server (SIGKILL) in this round and start it again")
    parser.add_argument("--skip-compare", action="store_true",
                        help="leave out local-only and pooled training (about half of the time)")
    parser.add_argument("--permute-labels", action="store_true",
                        help="shuffle the training labels: the result must fall towards chance")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin",
                        help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not 1 <= options.rounds <= 100:
        parser.error(f"--rounds {options.rounds} is not between 1 and 100")
    if not 0 <= options.seed <= SEED_LIMIT:
        parser.error(f"--seed {options.seed} is not between 0 and {SEED_LIMIT}")
    if options.kill_server is not None and not 1 <= options.kill_server <= options.rounds:
        parser.error(f"--kill-server {options.kill_server} is not a round of 1 to {options.rounds}")
    return options


def make_folder(options):
    """The run's folder. DemoError: it holds an earlier run and --fresh was not given."""
    folder = options.dir or ROOT / "demo-run" / time.strftime("%Y-%m-%d-%H%M%S")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise DemoError(f"{folder} is not empty and holds no demo: give another --dir")
        if not options.fresh:
            raise DemoError(f"{folder} holds an earlier run: give another --dir, or --fresh to "
                            "delete that run first")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("A run of ./dev demo; --fresh deletes this folder.\n",
                                 encoding="utf-8")
    return folder.resolve()


def write_job(options, folder):
    """demo/job.toml with this run's seed, and the rounds of its first launch."""
    first = options.rounds if options.rounds == 1 else (options.rounds + 1) // 2
    text = (ROOT / "demo/job.toml").read_text(encoding="utf-8")
    for old, new in ((f"rounds = {ROUNDS}\nseed = 7", f"rounds = {first}\nseed = {options.seed}"),
                     (f"schedule_rounds = {ROUNDS}", f"schedule_rounds = {options.rounds}"),
                     ("--seed 7", f"--seed {options.seed}")):
        if old not in text:
            raise DemoError(f"demo/job.toml does not hold {old!r}")
        text = text.replace(old, new)
    (folder / "job.toml").write_text(text, encoding="utf-8")
    return first


class Demo:
    """One run. Each method is one phase; `seconds` holds what each took."""

    def __init__(self, options, folder, progress):
        self.options = options
        self.folder = folder
        self.progress = progress
        self.seconds = {}
        self.programs = Programs(options.bin, folder / "commands.log")
        self.data = ROOT / "demo/data"
        if options.permute_labels:
            self.data = permuted_copy(self.data, folder / "permuted-data", options.seed)
        self.federation = Federation(self.programs, folder, self.data)
        self.authority = Authority(folder / "authority")
        self.evaluations = {}
        self.evaluator = ThreadPoolExecutor(max_workers=1)
        self.events = []
        self.killed_site = None  # then "dead", then "back"
        self.server_killed = False
        self.revocation = None
        self.first_rounds = write_job(options, folder)

    def phase(self, name, action):
        started = time.monotonic()
        self.progress.phase(name)
        result = action()
        self.seconds[name] = round(time.monotonic() - started, 2)
        return result

    def create(self):
        self.authority.create()
        self.authority.start()
        self.federation.create(FEDERATION_NAME, self.authority)
        for name in self.federation.site_names:  # one by one: the ledger's order gives the indexes
            self.federation.join(name)
        self.federation.appoint_witnesses()

    def import_films(self):
        return self.federation.at_each_site(
            lambda name: self.federation.import_films(name, self.data / "sites" / name))

    def launch(self):
        self.federation.start_sites()
        self.programs.run("model", "init", "covidnet-nano", "--seed", self.options.seed, "--out",
                          self.folder / "model0", "--classes", "normal,pneumonia",
                          "--profile", "cxr128", "--min-age", 1)
        self.programs.run("job", "launch", self.folder / "job.toml",
                          *self.federation.credentials())
        self.federation.approve(JOB)

    def train(self):
        """Both launches; the revocation lies between them."""
        self.follow(self.first_rounds)
        if self.options.rounds > self.first_rounds:
            self.revoke()
            self.programs.run("job", "resume", JOB, "--rounds", self.options.rounds,
                              *self.federation.credentials())
            self.follow(self.options.rounds)

    def revoke(self):
        """The patient withdraws: the site's Consent file is replaced and imported again."""
        for file in sorted((self.data / "revocation").glob("*/consent/*.json")):
            site = file.parent.parent.name
            source = self.folder / "revoked" / site
            shutil.copytree(self.data / "sites" / site, source, dirs_exist_ok=True)
            shutil.copy(file, source / "consent" / file.name)
            self.revocation = Revocation(self.federation, JOB, site, file.stem)
            self.federation.import_films(site, source)
            index = self.revocation.wait()
            self.note(f"{site}: the consent of patient {file.stem} was revoked: ledger entry "
                      f"{index}")

    def note(self, text):
        self.events.append(text)
        self.progress.note(text)

    def follow(self, last_round):
        """Watches until round `last_round` is closed, and does this run's damage on the way."""
        deadline = time.monotonic() + JOB_LIMIT_S
        while time.monotonic() < deadline:
            status = self.federation.job_status(JOB)
            self.damage(status)
            self.progress.show(status, self.evaluations)
            self.evaluate_new_rounds(status)
            if status["state"] in ("failed", "paused", "cancelled"):
                raise DemoError(f"the job is {status['state']}: {status['message']}")
            if status["state"] == "done" and closed_rounds(status) >= last_round:
                return
            time.sleep(POLL_SOON_S if self.damage_is_due(status) else POLL_S)
        raise DemoError(f"round {last_round} was not closed after {JOB_LIMIT_S} s")

    def damage(self, status):
        """Kills a site in round 2, brings it back when that round is closed; kills the server."""
        federation = self.federation
        open_round = next((r["round"] for r in status["history"] if r["status"] == "open"), 0)
        phases = {site["site"]: site["phase"] for site in status["sites"]}
        trains = open_round == KILL_ROUND and phases[KILLED_SITE] == "training"
        if self.killed_site is None and trains:
            federation.sites[KILLED_SITE].kill()
            self.killed_site = "dead"
            self.note(f"round {open_round}: {KILLED_SITE} was killed (SIGKILL) while it trained")
        elif self.killed_site == "dead" and closed_rounds(status) >= KILL_ROUND:
            federation.start_site(KILLED_SITE)
            self.killed_site = "back"
            dropped = next(r["dropped"] for r in status["history"] if r["round"] == KILL_ROUND)
            how = "without" if KILLED_SITE in dropped else "with the update that was sent by"
            self.note(f"round {KILL_ROUND} was closed {how} {KILLED_SITE}; it is started again")
        wanted = self.options.kill_server
        if wanted and open_round == wanted and not self.server_killed:
            if "accepted" in phases.values() and (wanted != KILL_ROUND or self.killed_site):
                self.server_killed = True
                federation.server.kill()
                federation.start_server()
                self.note(f"round {wanted}: the server was killed (SIGKILL) and started again")

    def damage_is_due(self, status):
        """Whether the next look may be the one at which something is killed."""
        current = closed_rounds(status) + 1
        return (current == KILL_ROUND and self.killed_site is None or
                current == self.options.kill_server and not self.server_killed)

    def evaluate_new_rounds(self, status):
        """Tests every few rounds' model on the common films, in the background."""
        step = max(1, self.options.rounds // EVALUATIONS)
        for summary in status["history"]:
            number = summary["round"]
            due = number % step == 0 or number == self.options.rounds
            if due and summary["status"] == "ok" and number not in self.evaluations:
                self.evaluations[number] = self.evaluator.submit(self.evaluate, number)

    def evaluate(self, number):
        out = self.folder / "rounds" / str(number)
        self.programs.run("job", "model", JOB, "--round", number, "--out", out,
                          *self.federation.credentials())
        found = self.programs.json("model", "evaluate", "--model", out, "--data",
                                   self.data / "test", "--policy", out / "policy")
        (out.parent / f"{number}.json").write_text(json.dumps(found), encoding="utf-8")
        return found

    def release(self):
        """The last model with its proof, and all evaluations that still run."""
        model = self.folder / "model"
        self.programs.run("job", "model", JOB, "--out", model, *self.federation.credentials())
        if self.revocation:
            self.revocation.write_receipt()
        self.evaluations = {n: future.result() for n, future in self.evaluations.items()}
        self.progress.show(self.federation.job_status(JOB), self.evaluations)
        return model

    def compare(self, model):
        """Local-only and pooled training, with the same start, optimiser and samples seen."""
        folders = [argument for name in self.federation.site_names
                   for argument in ("--data", self.training_folder(name))]
        return self.programs.json("model", "compare", self.folder / "job.toml", *folders,
                                  "--test", self.data / "test", "--federated", model,
                                  "--rounds", self.options.rounds, "--policy", model / "policy",
                                  "--out", self.folder / "comparison.json")

    def report(self):
        """The job's report for a browser: the evaluated rounds as a curve; the comparison last."""
        files = [self.folder / "rounds" / f"{number}.json" for number in sorted(self.evaluations)]
        files.append(self.folder / "comparison.json")
        evaluations = [word for file in files if file.exists() for word in ("--evaluation", file)]
        self.programs.run("job", "report", JOB, "--out", self.folder / "report.html", *evaluations,
                          *self.federation.credentials())

    def training_folder(self, name):
        revoked = self.folder / "revoked" / name
        return revoked if revoked.exists() else self.data / "sites" / name

    def check_ledger(self):
        """Verifies the log, then replays the last round on files alone: no server is asked."""
        export = self.folder / "export"
        view = self.programs.json("ledger", "verify", "--from", self.federation.server_dir)
        self.programs.run("ledger", "export", self.options.rounds, "--html", "--from",
                          self.federation.server_dir, "--out", export,
                          "--policy", self.federation.server_dir / "policy")
        audit = self.programs.json("ledger", "audit", self.options.rounds, "--from", export)
        consent = self.revocation.check(view["entries"]) if self.revocation else None
        return view, audit, consent

    def infer(self, model):
        film = sorted((self.data / "test/films").glob("*.dcm"))[0]
        return self.programs.json("infer", film, "--model", model, "--policy", model / "policy",
                                  "--out", self.folder / "inference")


def closed_rounds(status):
    return max((r["round"] for r in status["history"] if r["status"] != "open"), default=0)


def permuted_copy(data, folder, seed):
    """A copy of the films whose training labels are shuffled within each site."""
    import random
    shutil.copytree(data, folder, dirs_exist_ok=True)
    for file in sorted(folder.glob("sites/*/labels.csv")):
        header, *rows = file.read_text(encoding="utf-8").splitlines()
        rows = [row.split(",") for row in rows]
        labels = [row[1] for row in rows]
        random.Random(seed).shuffle(labels)
        lines = [",".join([row[0], label, *row[2:]]) for row, label in zip(rows, labels)]
        file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def read_policy(path):
    """The witnesses' keys of a tlog-policy with one group, and how many of them must cosign."""
    words = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    quorum = next(int(line[2]) for line in words if line[:1] == ["group"])
    return [line[2] for line in words if line[:1] == ["witness"]], quorum


def summary_json(demo, parts):
    """The object of interfaces.md, section 6."""
    view, audit, consent, model, comparison, finding, anchor = parts
    closes = [e for e in view["entries"] if e["type"] == "round-close"]
    witnesses, quorum = read_policy(demo.federation.server_dir / "policy")
    return {
        "sites": demo.federation.site_names,
        "rounds": [{k: c.get(k) for k in ("round", "status", "cohort", "dropped", "metrics")}
                   for c in closes],
        "secure_aggregation": all(c["secagg"]["suite"] != 0 for c in closes),
        "metrics": comparison["metrics"] if comparison else
        {"federated": demo.evaluations[max(demo.evaluations)]["metrics"]},
        "differences": comparison["differences"] if comparison else None,
        "by_round": {n: e["metrics"] for n, e in demo.evaluations.items()},
        "leak_audit": comparison["leak_audit"] if comparison else None,
        "ledger_verified": view["verified"],
        "ledger_size": view["size"],
        "ledger_dir": str(demo.federation.server_dir / "ledger/log"),
        "log_vkey": view["log_vkey"],
        "witness_vkeys": witnesses,
        "quorum": quorum,
        "replay_verified": audit["verified"],
        "anchor": anchor,
        "consent": consent,
        "model_sha256": closes[-1]["model"],
        "model_dir": str(model),
        "state_dir": str(demo.folder),
        "inference": finding,
        "events": demo.events,
        "seconds": demo.seconds,
        "research_use_only": True,
    }


def run(options):
    folder = make_folder(options)
    progress = Progress(options.rounds)
    demo = Demo(options, folder, progress)
    started = time.monotonic()
    try:
        demo.phase("create", demo.create)
        imports = demo.phase("import", demo.import_films)
        demo.phase("launch", demo.launch)
        demo.phase("train", demo.train)
        model = demo.phase("release", demo.release)
        comparison = None
        if not options.skip_compare:
            comparison = demo.phase("compare", lambda: demo.compare(model))
        demo.report()
        anchor = demo.phase("anchor", demo.federation.wait_for_anchor)
        if not options.keep:
            demo.federation.stop()
        view, audit, consent = demo.phase("ledger", demo.check_ledger)
        finding = demo.phase("inference", lambda: demo.infer(model))
        demo.seconds["total"] = round(time.monotonic() - started, 2)
        summary = summary_json(demo, (view, audit, consent, model, comparison, finding, anchor))
        (folder / "results.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
        progress.end()
        page = results_page(summary, imports)
        (folder / "results.txt").write_text(page, encoding="utf-8")
        print(json.dumps(summary) if options.json else page)
        if options.keep:
            print("server and sites go on; Ctrl-C stops them", file=sys.stderr)
            while True:
                time.sleep(1)
    except (DemoError, OSError) as error:
        raise DemoError(f"{error}\ndemo: all files stay in {folder}: what was called in "
                        "commands.log, what the programs said in logs/") from error
    finally:
        demo.federation.stop()
        demo.authority.stop()


def main(arguments):
    options = parse_arguments(arguments)
    # A terminated demo stops its programs, like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(options)
    except KeyboardInterrupt:
        print("stopped; the files stay where they are", file=sys.stderr)
        return 1
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
