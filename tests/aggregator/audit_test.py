"""Two auditors over exported rounds and over copies that somebody tampered with: `hilum-ledger
audit` and the independent program of docs/audit.

Usage: audit_test.py [--bin FOLDER] [--rounds FOLDER] [unittest arguments]

The rounds are those of docs/wire.md's worked examples, which example_exports.py writes without
Hilum's code, and with --rounds also those that write_rounds played on real programs' code. Without
--bin only the program of docs/audit is run. Use the Python that has numpy and cryptography.
"""
import argparse
import ast
import contextlib
import functools
import http.server
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import zlib
from pathlib import Path

import example_exports
from forger import Export, base64_of, sha256, tree
from forgeries import DAMAGES, FORGERIES, MASKED, OPEN, Elsewhere, flip

OPTIONS = None
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "docs/audit/audit.py"
sys.path.insert(0, str(PROGRAM.parent))
# pylint: disable=wrong-import-position
import audit  # noqa: E402


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          timeout=120)


def python_audit(folder, job, number, *more):
    """docs/audit in this process: numpy is loaded once."""
    out, err = io.StringIO(), io.StringIO()
    arguments = [number, "--from", folder, "--study", job, "--quiet", *more]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = audit.main(list(map(str, arguments)))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def hilum_audit(folder, job, number, *more):
    return run(OPTIONS.bin / "hilum-ledger", "audit", number, "--from", folder, "--study", job,
               *more)


class Source:
    """An exported round, and where the server's keys are."""

    def __init__(self, folder, keys, mode, job, number):
        self.folder, self.keys, self.mode = folder, keys, mode
        self.job, self.number = job, number

    def copy(self, folder):
        export = Export(self.folder, folder, self.keys, self.number)
        export.study = self.job
        return export


def make_sources(top):
    """The worked examples, one of them with a member without a tag; and the rounds of --rounds."""
    sources = []
    for name, mode, write in (
            ("open", OPEN, example_exports.write_open),
            ("masked", MASKED, example_exports.write_masked),
            ("untagged", MASKED, functools.partial(example_exports.write_masked, untagged=(2,)))):
        write(ROOT, top / name)
        sources.append(Source(top / name, top / name / "keys", mode, "cxr-1", 1))
    return sources + played(top, (("cxr-masked", MASKED), ("cxr-open", OPEN)))


def played(top, jobs):
    """Both rounds of each of these jobs of --rounds, exported."""
    sources = []
    for job, mode in jobs if OPTIONS.rounds else ():
        for number in (1, 2):
            folder = top / f"played-{job}-{number}"
            done = run(OPTIONS.bin / "hilum-ledger", "export", number, "--study", job, "--from",
                       OPTIONS.rounds, "--out", folder)
            assert done.returncode == 0, done.stderr
            sources.append(Source(folder, OPTIONS.rounds / "keys", mode, job, number))
    return sources


class AuditTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.top = Path(cls.temporary.name)
        cls.sources = make_sources(cls.top)

    def first(self, mode):
        return next(source for source in self.sources if source.mode == mode)

    def untagged(self):
        """The round whose member has no tag, and its index."""
        return self.sources[2], 2

    def copy(self, source, name="copy"):
        folder = self.top / name
        self.addCleanup(shutil.rmtree, folder, True)
        return source.copy(folder)

    def refuses(self, done, sentence="."):
        """Exit code 3 and one sentence."""
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, sentence)

    def both_refuse(self, export, source, sentence=".", ours="."):
        """With what docs/audit says, and what hilum-ledger says."""
        self.refuses(python_audit(export.folder, source.job, source.number), sentence)
        if OPTIONS.bin:
            self.refuses(hilum_audit(export.folder, source.job, source.number), ours)


class Good(AuditTest):
    def test_both_find_the_same_model(self):
        """Also of a server's optimizer with moments, under differential privacy, and packed."""
        more = played(self.top, (("cxr-adaptive", MASKED), ("cxr-private", MASKED),
                                 ("cxr-packed", MASKED)))
        for source in self.sources + more:
            with self.subTest(folder=source.folder.name):
                theirs = python_audit(source.folder, source.job, source.number, "--json")
                self.assertEqual(theirs.returncode, 0, theirs.stderr)
                theirs = json.loads(theirs.stdout)
                self.assertEqual(theirs["mode"], source.mode)
                self.assertTrue(theirs["verified"])
                if not OPTIONS.bin:
                    continue
                ours = json.loads(
                    hilum_audit(source.folder, source.job, source.number, "--json").stdout)
                for key in ("verified", "job", "round", "status", "model", "updates", "films",
                            "mean_loss", "origin", "size", "log_vkey"):
                    self.assertEqual(theirs[key], ours[key], key)

    def test_masked_updates_do_not_compress(self):
        """Those of an open round do: they are small integers."""
        seen = {MASKED: 0, OPEN: 0}
        for number, source in enumerate(self.sources):
            export = self.copy(source, f"vectors-{number}")
            for update in export.record()["updates"]:
                data = export.get(update["object"])
                if len(data) < 400:  # of a worked example
                    continue
                seen[source.mode] += 1
                packed = len(zlib.compress(data, 9)) / len(data)
                if source.mode == MASKED:
                    self.assertGreaterEqual(packed, 1.0, source.folder.name)
                else:
                    self.assertLess(packed, 0.97, source.folder.name)
        if OPTIONS.rounds:
            self.assertTrue(all(seen.values()), seen)

    def test_an_aborted_round_has_nothing_to_compute(self):
        source = self.first(OPEN)
        found = json.loads(python_audit(source.folder, source.job, 2, "--json").stdout)
        self.assertEqual((found["status"], found["updates"]), ("aborted", 0))

    def test_pins_and_progress(self):
        source = self.first(MASKED)
        found = json.loads(python_audit(source.folder, source.job, 1, "--json").stdout)
        vkey = found["log_vkey"]
        good = python_audit(source.folder, source.job, 1, "--vkey", vkey, "--json")
        self.assertEqual(json.loads(good.stdout)["trust"], "pinned")
        self.refuses(python_audit(source.folder, source.job, 1, "--vkey", other_vkey(vkey)),
                     "pinned is")
        told = run(sys.executable, PROGRAM, 1, "--from", source.folder).stderr
        for name in "abcde":
            self.assertIn(f"update of site-{name}", told)

    def test_a_command_line_that_is_wrong(self):
        source = self.first(OPEN)
        for arguments in ((source.folder, source.job, 9), (source.folder, "cxr-other", 1),
                          (self.top, source.job, 1), (source.folder / "log", source.job, 1)):
            done = python_audit(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
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


def other_vkey(vkey):
    """Another good key under the same name."""
    name = vkey.split("+")[0]
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    ident = sha256(name.encode() + b"\n\x01" + key)[:4].hex()
    return f"{name}+{ident}+{base64_of(bytes([1]) + key)}"


class Tampered(AuditTest):
    def check(self, kinds, write):
        done = set()
        for name, mode, change, sentences in kinds:
            for source in (one for one in self.sources if one.mode == mode):
                with self.subTest(name, source=source.folder.name):
                    export = self.copy(source)
                    try:
                        change(export)
                        if write:
                            export.write()
                        self.both_refuse(export, source, *sentences)
                        done.add(name)
                    except Elsewhere:
                        pass
                    finally:
                        shutil.rmtree(export.folder)
        return done

    def test_damage(self):
        self.assertGreaterEqual(len(self.check(DAMAGES, write=False)), 10)

    def test_forgeries_with_the_servers_own_keys(self):
        self.assertGreaterEqual(len(self.check(FORGERIES, write=True)), 20)

    def test_writing_again_alone_changes_nothing(self):
        """So what the auditors refuse is the forgery, not the forger's log."""
        for source in self.sources:
            export = self.copy(source)
            record = export.record()
            export.remake_transcript(record)
            export.put_record(record)
            export.write()
            done = python_audit(export.folder, source.job, source.number)
            self.assertEqual(done.returncode, 0, done.stderr)
            if OPTIONS.bin:
                done = hilum_audit(export.folder, source.job, source.number)
                self.assertEqual(done.returncode, 0, done.stderr)
            shutil.rmtree(export.folder)

    def test_a_close_that_a_stranger_signed(self):
        source = self.first(OPEN)
        export = self.copy(source)
        export.write(sign_with=export.log_key)
        self.both_refuse(export, source, "signature of aggregator")

    def test_a_checkpoint_of_another_tree(self):
        source = self.first(OPEN)
        export = self.copy(source)
        text = f"{export.origin}\n{len(export.entries)}\n{base64_of(tree(export.leaves[::-1]))}\n"
        vkey = export.entries[0]["log_vkey"].split("+", 2)
        line = base64_of(bytes.fromhex(vkey[1]) + export.log_key.sign(text.encode()))
        (export.folder / "log/checkpoint").write_text(f"{text}\n\u2014 {vkey[0]} {line}\n",
                                                      encoding="utf-8")
        self.both_refuse(export, source, "another root")


class Spending(AuditTest):
    """Rounds with differential privacy in a log that its server wrote anew with its own keys."""

    def setUp(self):
        if not OPTIONS.rounds:
            self.skipTest("no --rounds: nobody played a job with differential privacy")

    def test_what_the_rounds_before_spent_stays_spent(self):
        source = played(self.top, (("cxr-private", MASKED),))[1]

        def forget(first, _):
            del first["dp"]

        for change, sentence in (
                (lambda first, last: first["dp"].update(epsilon="99"), "less epsilon"),
                (lambda first, last: first["dp"].update(epsilon=last["dp"]["epsilon"]),
                 "counts less epsilon than the round before had told"),
                (lambda first, last: first["dp"].update(delta="0.01"), "another unit, mechanism"),
                (forget, "tells an epsilon, the other none")):
            export = self.copy(source)
            change(export.entry_of("round-close", 1), export.close)
            export.write()
            self.both_refuse(export, source, sentence)
            shutil.rmtree(export.folder)


class Tags(AuditTest):
    """`hilum ledger audit --tags`, and audits over HTTP."""

    def setUp(self):
        if not OPTIONS.bin:
            self.skipTest("no --bin: hilum-ledger is not run")

    def test_needs_no_vector_that_has_a_tag(self):
        source, untagged = self.untagged()
        export = self.copy(source)
        for update in export.record()["updates"]:
            if update["index"] != untagged:
                export.path(update["object"]).unlink()
        done = hilum_audit(export.folder, source.job, 1, "--tags", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual((found["depth"], found["updates"], found["updates_read"]), ("tags", 5, 1))
        self.assertEqual(found["model"], export.close["model"])
        text = hilum_audit(export.folder, source.job, 1, "--tags").stdout
        self.assertIn("the sum fits the tags of 5 updates, of which 1 were read", text)
        self.refuses(hilum_audit(export.folder, source.job, 1), "update of site-a")

    def test_refuses_what_it_covers(self):
        source = self.first(MASKED)
        for name, mode, change, _ in FORGERIES:
            if mode != MASKED or name == "another_vector_under_its_old_root":
                continue  # a vector that is not read cannot be judged: docs/ledger.md says so
            with self.subTest(name):
                export = self.copy(source)
                change(export)
                export.write()
                self.refuses(hilum_audit(export.folder, source.job, 1, "--tags"))
                shutil.rmtree(export.folder)

    def test_an_open_round_has_none(self):
        source = self.first(OPEN)
        done = hilum_audit(source.folder, source.job, 1, "--tags")
        self.assertEqual(done.returncode, 2)
        self.assertIn("audit it without --tags", done.stderr)

    def test_from_a_url(self):
        source = self.first(MASKED)
        export = self.copy(source)

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
            done = hilum_audit(url, source.job, 1, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
        path = export.path(export.record()["secagg"]["sum_object"])
        flip(path)
        self.refuses(hilum_audit(url, source.job, 1, "--tags"), "other bytes|hashes otherwise")
        path.unlink()
        done = hilum_audit(url, source.job, 1)
        self.assertEqual(done.returncode, 2, done.stderr)  # over HTTP absence accuses nobody
        self.assertIn("hilum ledger export", done.stderr)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=Path)
    parser.add_argument("--bin", type=Path)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
