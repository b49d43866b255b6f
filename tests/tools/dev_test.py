"""./dev says how it is used, refuses what it does not know, and its set-up is quick when done."""
import os
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def dev(*arguments):
    return subprocess.run([str(ROOT / "dev"), *arguments], capture_output=True, text=True,
                          check=False, timeout=120, cwd="/")


class DevTest(unittest.TestCase):
    def test_help_lists_every_verb_that_main_knows(self):
        text = (ROOT / "dev").read_text(encoding="utf-8")
        verbs = re.findall(r"^    (\w+)\)", text[text.index("\nmain() {"):], re.MULTILINE)
        self.assertIn("demo", verbs)
        printed = dev("help").stdout
        for verb in verbs:
            self.assertRegex(printed, rf"(?m)^  {verb}\b")
        self.assertEqual(dev().stdout, printed)

    def test_refuses_what_it_does_not_know_with_exit_2(self):
        for arguments in (["no-such-verb"], ["no-such-verb", "--help"], ["help", "no-such-verb"]):
            found = dev(*arguments)
            self.assertEqual((found.returncode, found.stdout), (2, ""), arguments)
            self.assertIn("there is no verb no-such-verb; see ./dev help\n", found.stderr)
        for arguments in (["check", "no-such-check"], ["setup", "nothing"], ["bench", "--nothing"],
                          ["bench", "--json"], ["bench", "--compare"],
                          ["bench", "--json", "rows.json"], ["build", "no-such-preset"],
                          ["doctor", "now"]):
            found = dev(*arguments)
            self.assertEqual((found.returncode, found.stdout), (2, ""), arguments)
            self.assertIn(f"see ./dev help {arguments[0]}\n", found.stderr)
            self.assertNotIn("==", found.stderr, "nothing was set up or built before")
        found = dev("demo", "--no-such-flag")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn("--no-such-flag", found.stderr)
        self.assertNotIn("==", found.stderr)

    def test_refuses_a_wrong_value_before_anything_is_set_up(self):
        for arguments, part in ((["demo", "--seed", "-1"], "--seed -1 is not between 0 and"),
                                (["demo", "--kill-server", "0"],
                                 "--kill-server 0 is not a round of 1 to 36"),
                                (["demo", "--kill-server", "37"], "not a round of 1 to 36"),
                                (["check", "mutants", "--part", "x"], "--part x is not I/N"),
                                (["check", "asan", "mutants", "--part", "5/4"],
                                 "--part 5/4 is not I/N"),
                                (["check", "mutants", "("], "is no regular expression"),
                                (["check", "asan", "no-such-check"],
                                 "check knows no no-such-check")):
            found = dev(*arguments)
            self.assertEqual((found.returncode, found.stdout), (2, ""), arguments)
            self.assertIn(part, found.stderr)
            self.assertNotIn("==", found.stderr, "nothing was set up or built before")

    def test_check_runs_all_that_are_named(self):
        script = """source tools/checks.sh
fail() { echo "failed: $*"; exit 1; }
check_sanitizer() { echo "alone $1"; }
check_mutants_arguments() { :; }
check "$@"
"""
        with tempfile.TemporaryDirectory() as name:
            stub = Path(name) / "dev"
            stub.write_text('#!/bin/sh\necho "$*"\n[ "$2" != tsan ]\n', encoding="utf-8")
            stub.chmod(0o755)

            def check(*arguments):
                found = subprocess.run(["bash", "-euc", script, "bash", *arguments], cwd=ROOT,
                                       env={**os.environ, "ROOT": name}, capture_output=True,
                                       text=True, check=False, timeout=60)
                return found.returncode, found.stdout.splitlines()
            self.assertEqual(check("asan", "tsan", "soak"), (1, [
                "check asan", "check tsan", "check soak", "failed: these checks failed: tsan"]))
            self.assertEqual(check("soak", "mutants", "--part", "1/4", "crypto"),
                             (0, ["check soak", "check mutants --part 1/4 crypto"]))
            self.assertEqual(check("asan"), (0, ["alone asan"]))
            everything = check("all")[1]
            self.assertEqual((check()[1], len(everything)), (everything, 8))

    def test_bench_says_when_nothing_matches(self):
        script = f"""source {ROOT}/tools/bench.sh
setup() {{ :; }}; build() {{ :; }}; say() {{ echo "$1"; }}
usage_error() {{ echo "$1" >&2; exit 2; }}
bench "$@"
"""
        with tempfile.TemporaryDirectory() as name:
            stub = Path(name) / "build/release/bench/one_bench"
            stub.parent.mkdir(parents=True)
            stub.write_text('#!/bin/sh\ncase "$*" in *filter=Sum*) echo Sum/4;; esac\n',
                            encoding="utf-8")
            stub.chmod(0o755)

            def bench(*arguments):
                return subprocess.run(["bash", "-euc", script, "bash", *arguments], cwd=name,
                                      capture_output=True, text=True, check=False, timeout=60)
            found = bench("Sum")
            self.assertEqual((found.returncode, found.stdout), (0, "one_bench\nSum/4\n"))
            found = bench("Product")
            self.assertEqual((found.returncode, found.stdout), (2, ""))
            self.assertIn("no benchmark matches Product", found.stderr)

    def test_every_verb_says_what_it_takes_and_does_nothing_else(self):
        verbs = re.findall(r"^  (\w+)", dev("help").stdout, re.MULTILINE)
        self.assertIn("bench", verbs)
        for verb in verbs:
            if verb == "help":
                continue
            found = dev(verb, "--help")
            self.assertEqual((found.returncode, found.stderr), (0, ""), verb)
            self.assertRegex(found.stdout.lower(), rf"usage: \./dev {verb}\b")
            self.assertEqual(dev(verb, "-h").stdout, found.stdout)
            self.assertEqual(dev("help", verb).stdout, found.stdout)
            self.assertEqual(dev(verb, "word", "--help").stdout, found.stdout)

    def test_doctor_changes_nothing_and_says_what_is_missing(self):
        found = dev("doctor")
        self.assertIn(found.returncode, (0, 1))
        self.assertIn("cores", found.stdout)

    def test_a_second_setup_takes_less_than_two_seconds(self):
        if dev("doctor").returncode != 0:  # then a set-up would install something
            self.assertIn("missing", dev("doctor").stdout)
            return
        started = time.monotonic()
        self.assertEqual(dev("setup").returncode, 0)
        self.assertLess(time.monotonic() - started, 2.0)

    def test_pins_every_download(self):
        text = (ROOT / "tools/dependencies.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith("wheel "):
                self.assertRegex(line, r"^wheel cpu [\w-]+ [\d.]+ [0-9a-f]{64}$")
            if line.startswith("python "):
                self.assertRegex(line, r"^python [\w-]+==[\d.]+$")
            if line.startswith("peer "):
                self.assertRegex(line, r"^peer \w+( [\w-]+==[\d.]+)+$")


if __name__ == "__main__":
    unittest.main()
