"""Starts the built programs as people do: help, version, exit codes, what they load.

Usage: programs_test.py --bin FOLDER
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path()
VERSION = "0.1.0 (protocol 1)"
# One sentence of ours, whatever the library says: who, where, after how long, what to do.
UNREACHABLE = (r"\Ahilum-[a-z]+: the server 127\.0\.0\.1:9 could not be reached( in \d+\.\d s)?: "
               r"nothing listens there; check that it runs and that the address is right\n\Z")
TRAIN = ("hilum-infer", "hilum-model", "hilum-site")  # the programs that need LibTorch


def programs():
    return sorted(path.name for path in BIN.glob("hilum*") if os.access(path, os.X_OK))


def run(name, *arguments, **options):
    return subprocess.run([str(BIN / name), *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=60, **options)


def verbs_of(name):
    """The verbs that `--help` lists, by CLI11's layout."""
    text = run(name, "--help").stdout
    block = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  ([a-z-]+) ", block.group(1), re.MULTILINE) if block else []


def for_each_program(test):
    """Runs a test once for each program that people start."""
    def run_all(self):
        for name in programs():
            if name not in ("hilum-dicom-worker", "hilum-dicom-peer"):
                with self.subTest(program=name):
                    test(self, name)
    return run_all


class EveryProgram(unittest.TestCase):
    @for_each_program
    def test_prints_help_for_itself_and_each_verb(self, name):
        found = run(name, "--help")
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn("Research use only", found.stdout)
        self.assertEqual(found.stderr, "")
        for verb in verbs_of(name):
            found = run(name, verb, "--help")
            self.assertEqual(found.returncode, 0, (verb, found.stderr))
            self.assertIn(verb, found.stdout)

    @for_each_program
    def test_prints_its_version(self, name):
        found = run(name, "--version")
        self.assertEqual((found.returncode, found.stdout.strip()), (0, f"{name} {VERSION}"))

    @for_each_program
    def test_refuses_what_it_does_not_know_with_exit_2(self, name):
        for arguments in (["no-such-verb"], ["--no-such-flag"], []):
            found = run(name, *arguments)
            self.assertEqual(found.returncode, 2, (arguments, found.stdout, found.stderr))
            self.assertEqual(found.stdout, "", arguments)
            self.assertIn(name, found.stderr)

    @for_each_program
    def test_refuses_an_unknown_flag_of_each_verb(self, name):
        for verb in verbs_of(name):
            found = run(name, verb, "--no-such-flag")
            self.assertEqual(found.returncode, 2, (verb, found.stderr))
            self.assertIn("--help", found.stderr, verb)

    @for_each_program
    def test_names_the_word_that_is_no_verb(self, name):
        verbs = verbs_of(name)
        if not verbs:
            return
        found = run(name, "bogus")
        self.assertEqual(found.returncode, 2, found.stderr)
        self.assertIn(f"there is no verb bogus; there are {', '.join(verbs)}; see", found.stderr)
        self.assertIn("no flag --bogus", run(name, "--bogus").stderr)

    def test_hilum_lists_each_verb_of_each_program(self):
        for line in re.findall(r"^  hilum .*", run("hilum", "--help").stdout, re.MULTILINE):
            for verb in verbs_of(f"hilum-{line.split()[1]}"):
                self.assertRegex(line, rf"\b{verb}\b")

    @for_each_program
    def test_help_has_positionals_in_capitals(self, name):
        for verb in verbs_of(name) or [None]:
            text = run(name, *([verb] if verb else []), "--help").stdout
            block = re.search(r"^Positionals:\n((?:  .*\n)+)", text, re.MULTILINE)
            words = re.findall(r"^  (\S+)", block.group(1), re.MULTILINE) if block else []
            self.assertEqual(words, [word.upper() for word in words], (verb, text))

    @for_each_program
    def test_starts_without_libtorch_where_it_trains_nothing(self, name):
        """Loading LibTorch takes longer than all else that a short command does."""
        loaded = subprocess.run([BIN / name], env={"LD_TRACE_LOADED_OBJECTS": "1"}, text=True,
                                capture_output=True, check=True).stdout
        self.assertIn("libc.so", loaded)
        self.assertEqual("libtorch" in loaded, name in TRAIN, loaded)


class Dispatcher(unittest.TestCase):
    """`hilum VERB` finds hilum-VERB beside itself."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "hilum").write_bytes((BIN / "hilum").read_bytes())
        (self.folder / "hilum").chmod(0o755)
        self.write("hilum-job", 'echo "$0:$*"; exit 7')

    def write(self, name, script):
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (self.folder / name).chmod(0o755)

    def hilum(self, *arguments):
        return subprocess.run([str(self.folder / "hilum"), *arguments], capture_output=True,
                              text=True, check=False, timeout=60)

    def test_passes_arguments_and_exit_code_on(self):
        found = self.hilum("job", "status", "--as", "a b")
        self.assertEqual(found.returncode, 7)
        self.assertEqual(found.stdout, f"{self.folder}/hilum-job:status --as a b\n")

    def test_finds_programs_beside_itself_through_a_link(self):
        link = self.folder / "bin"
        link.mkdir()
        (link / "hilum").symlink_to(self.folder / "hilum")
        found = subprocess.run([str(link / "hilum"), "job"], capture_output=True, text=True,
                               check=False)
        self.assertEqual(found.returncode, 7)

    def test_lists_only_the_verbs_that_exist(self):
        text = self.hilum("--help").stdout
        self.assertIn("hilum job", text)
        self.assertNotIn("hilum server", text)

    def test_help_has_the_exit_codes_of_the_page(self):
        page = (ROOT / "docs/exit_codes.md").read_text(encoding="utf-8")
        text = self.hilum("--help").stdout.replace("\n", " ")
        rows = re.findall(r"^\| (\d) \| ([^|]+) \|", page, re.MULTILINE)
        self.assertEqual([code for code, _ in rows], list("012345"))
        for code, meaning in rows:
            self.assertIn(f" {code} {meaning}", text)

    def test_an_unknown_verb_exits_2_with_the_nearest_name(self):
        found = self.hilum("jab")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn("did you mean `job`?", found.stderr)
        found = self.hilum("zzzzzzzz")
        self.assertEqual(found.returncode, 2)
        self.assertNotIn("did you mean", found.stderr)

    def test_a_verb_is_a_name_and_no_path(self):
        self.write("evil", "echo evil")
        for verb in ("../evil", "/bin/sh", "-job", "", "job/../evil"):
            found = self.hilum(verb)
            self.assertEqual((found.returncode, found.stdout), (2, ""), verb)

    def test_a_verb_whose_program_is_missing_exits_2(self):
        self.assertEqual(self.hilum("server", "run").returncode, 2)


JOB_TOML = """job = "cxr-demo"
rounds = 3

[model]
init = "model0"
architecture = "covidnet-nano"
classes = ["normal", "pneumonia"]
profile = "cxr128"
"""


class ReleasedModel(unittest.TestCase):
    """Verbs that read a released model need to know which ledger to believe."""

    VERBS = {"hilum-infer": [["film.dcm", "--model", "none", "--out", "out"]],
             "hilum-model": [["verify", "none"], ["card", "none"],
                             ["evaluate", "--model", "none", "--data", "none"]]}

    def for_each_verb(self, test):
        for name in set(self.VERBS) & set(programs()):
            for arguments in self.VERBS[name]:
                with self.subTest(program=name, arguments=arguments):
                    test(name, arguments)

    def test_help_and_error_agree_on_what_to_give(self):
        def check(name, arguments):
            environment = {k: v for k, v in os.environ.items() if k != "HILUM_POLICY"}
            found = run(name, *arguments, env=environment)
            self.assertEqual((found.returncode, found.stdout), (2, ""), found.stderr)
            text = run(name, *arguments[:1 if name == "hilum-model" else 0], "--help").stdout
            self.assertIn("exactly one of --site, --policy, --trust-log", text)
            for way in ("--site", "--policy", "--trust-log", "HILUM_POLICY"):
                self.assertIn(way, found.stderr)
                self.assertIn(way, text)
        self.for_each_verb(check)

    def test_a_folder_of_no_site_is_named_as_such(self):
        def check(name, arguments):
            found = run(name, *arguments, "--site", "nowhere")
            self.assertEqual((found.returncode, found.stdout), (2, ""), found.stderr)
            self.assertIn("--site nowhere is not the folder of a site that has joined",
                          found.stderr)
        self.for_each_verb(check)

    def test_results_go_to_a_folder(self):
        if "hilum-infer" not in programs():
            self.skipTest("hilum-infer is not built here")
        with tempfile.NamedTemporaryFile() as file:
            found = run("hilum-infer", "film.dcm", "--model", "none", "--out", file.name,
                        "--site", "s")
            self.assertEqual((found.returncode, found.stdout), (2, ""), found.stderr)
            self.assertIn(f"--out {file.name} is a file; name a folder", found.stderr)

    def test_a_flag_takes_the_place_of_the_environment(self):
        def check(name, arguments):
            found = run(name, *arguments, "--site", "/no/site", env={"HILUM_POLICY": "/no/policy"})
            self.assertIn("/no/site", found.stderr)
            found = run(name, *arguments, env={"HILUM_POLICY": "/no/policy"})
            self.assertIn("/no/policy", found.stderr)
            found = run(name, *arguments, "--site", "/no/site", "--policy", "/no/policy")
            self.assertIn("several ledgers are named", found.stderr)
        self.for_each_verb(check)


class Job(unittest.TestCase):
    def setUp(self):
        if "hilum-job" not in programs():
            self.skipTest("hilum-job is not built here")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def test_an_unknown_key_is_named_with_file_and_line(self):
        file = self.write("job.toml", JOB_TOML + "\n[training]\nepochs = 3\n")
        found = run("hilum-job", "plan", file)
        self.assertEqual(found.returncode, 2)
        self.assertIn(f"hilum-job: {file}:11: [training] epochs is not a known key", found.stderr)
        self.assertIn("local_epochs", found.stderr)

    def test_a_misspelt_key_is_named_before_the_one_that_is_missing(self):
        file = self.write("job.toml", JOB_TOML.replace("rounds", "roundz"))
        found = run("hilum-job", "plan", file)
        self.assertEqual(found.returncode, 2)
        self.assertIn(f"hilum-job: {file}:2: roundz is not a known key", found.stderr)

    def test_a_rate_is_above_zero(self):
        for rate in ("0", "-1", "inf", "nan", "1e999", "many"):
            found = run("hilum-job", "plan", "job.toml", "--films", "9",
                        f"--films-per-second={rate}")
            self.assertEqual(found.returncode, 2, rate)
            self.assertIn(f'--films-per-second: "{rate}" is not a number above 0', found.stderr)
            self.assertLess(len(found.stderr), 150)

    def test_an_evaluation_does_not_swallow_the_names_of_jobs(self):
        for verb in (("report", "a"), ("compare", "a", "b")):
            found = run("hilum-job", verb[0], "--evaluation", "none.json", *verb[1:])
            self.assertEqual((found.returncode, found.stdout), (2, ""))
            self.assertIn("none.json", found.stderr)
            self.assertNotIn("required", found.stderr)

    def test_a_missing_model_says_how_to_make_it(self):
        found = run("hilum-job", "plan", self.write("job.toml", JOB_TOML))
        self.assertEqual(found.returncode, 2)
        self.assertIn("hilum model init covidnet-nano", found.stderr)

    def test_a_missing_file_and_missing_credentials_are_usage_errors(self):
        self.assertEqual(run("hilum-job", "plan", self.folder / "no.toml").returncode, 2)
        environment = {k: v for k, v in os.environ.items() if k != "HILUM_CREDENTIALS"}
        found = run("hilum-job", "status", env=environment)
        self.assertEqual(found.returncode, 2)
        self.assertIn("HILUM_CREDENTIALS", found.stderr)


class Folders(unittest.TestCase):
    """Verbs on the folder of a new federation, without a running server."""

    def setUp(self):
        if "hilum-server" not in programs():
            self.skipTest("hilum-server is not built here")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = self.folder / "srv"
        found = run("hilum-server", "init", "--dir", self.server, "--federation", "fl.example")
        self.assertEqual(found.returncode, 0, found.stderr)

    def need(self, name):
        if name not in programs():
            self.skipTest(f"{name} is not built here")

    def test_a_new_federation_needs_a_folder_of_its_own(self):
        found = run("hilum-server", "init", "--dir", self.server, "--federation", "fl.example")
        self.assertEqual((found.returncode, found.stdout), (2, ""), found.stderr)
        self.assertIn(f"--dir {self.server} is not empty", found.stderr)

    def test_help_says_the_defaults(self):
        for verb, flag, default in (("invite", "--ttl", "72h"), ("gc", "--grace", "7d")):
            self.assertRegex(run("hilum-server", verb, "--help").stdout,
                             rf"{flag} TEXT(=| \[){default}")

    def test_print_config_is_toml_or_one_json_document(self):
        found = run("hilum-server", "run", "--dir", self.server, "--print-config")
        self.assertEqual(found.stdout, (self.server / "server.toml").read_text())
        found = run("hilum-server", "run", "--dir", self.server, "--print-config", "--json")
        self.assertEqual(json.loads(found.stdout)["listen"]["grpc"], "127.0.0.1:7443")
        self.assertEqual(json.loads(found.stdout)["compute"]["device"], "cpu")

    def test_an_audit_on_a_gpu_that_is_not_here_is_one_plain_sentence(self):
        self.need("hilum-ledger")
        found = run("hilum-ledger", "audit", "1", "--from", self.server, "--device", "cuda:4095")
        self.assertEqual(found.returncode, 2, found.stderr)
        self.assertRegex(found.stderr, r"^hilum-ledger: cuda:4095 was asked for, but [^\n]*\n$")

    def test_an_invitation_has_its_token_alone_on_standard_output(self):
        self.need("hilum-site")
        file = self.folder / "token.txt"
        invited = run("hilum-server", "invite", "--dir", self.server, "--site", "hospital-a")
        self.assertRegex(invited.stdout, r"^eyJ[A-Za-z0-9_-]+\n$")
        self.assertRegex(invited.stderr, r"works once and expires at .*\n.*\n[0-9a-f]{64}\n$")
        file.write_text(invited.stdout)
        found = run("hilum-site", "join", "--dir", self.folder / "a", "--token", f"@{file}",
                    "--server", "127.0.0.1:9")
        self.assertEqual(found.returncode, 5, found.stderr)  # the token is read; nobody answers
        self.assertRegex(found.stderr, UNREACHABLE)
        token = invited.stdout.strip()
        empty = self.folder / "empty.txt"
        empty.touch()
        for text, sentence in ((f"@{empty}", "token is empty"),
                               (str(file), "no join token: one begins with"),
                               (token[:-40], "cut short or damaged, it has"),
                               (token[:-1], "cut short or damaged")):
            found = run("hilum-site", "join", "--dir", self.folder / "a", "--token", text,
                        "--server", "127.0.0.1:9")
            self.assertEqual(found.returncode, 2, found.stderr)
            self.assertRegex(found.stderr, rf"^hilum-site: [^\n]*{sentence}[^\n]*\n$")

    def test_a_ttl_out_of_range_names_the_range_and_the_unit(self):
        def invite(ttl):
            return run("hilum-server", "invite", "--dir", self.server, "--site", "hospital-a",
                       "--ttl", ttl)
        for ttl in ("99999d", "99999999999999d", "91d", "59s", "0", "-1h", "1000000h", "inf"):
            found = invite(ttl)
            self.assertEqual(found.returncode, 2, (ttl, found.stdout))
            self.assertIn(f'--ttl is "{ttl}", but an invitation is valid from 60 seconds to 90 '
                          'days; write it like 72h, 30m or 7d', found.stderr)
        for ttl in ("72", "d", "soon", "9999999999999999999999d"):
            found = invite(ttl)
            self.assertEqual(found.returncode, 2, (ttl, found.stdout))
            self.assertIn(f'--ttl is "{ttl}", but a number with a unit is needed, like 72h',
                          found.stderr)
        self.assertEqual(invite("90d").returncode, 0)

    def test_an_address_without_a_port_is_wrong_usage(self):
        self.need("hilum-site")
        found = run("hilum-site", "join", "--dir", self.folder / "a", "--token", "t",
                    "--server", "fl.example")
        self.assertEqual(found.returncode, 2, found.stderr)
        self.assertIn("HOST:PORT", found.stderr)

    def test_a_server_that_is_not_there_exits_5_and_is_named(self):
        self.need("hilum-job")
        found = run("hilum-job", "status", "--as", self.server / "operator",
                    "--server", "127.0.0.1:9")
        self.assertEqual((found.returncode, found.stdout), (5, ""), found.stderr)
        self.assertRegex(found.stderr, UNREACHABLE)

    def test_an_unknown_type_and_a_negative_round_are_wrong_usage(self):
        self.need("hilum-ledger")
        found = run("hilum-ledger", "show", "--from", self.server, "--type", "round-clos")
        self.assertEqual(found.returncode, 2, found.stdout)
        self.assertIn("round-close", found.stderr)
        found = run("hilum-ledger", "show", "--from", self.server, "--study", "nosuch")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn('no study "nosuch"; it holds none', found.stderr)
        found = run("hilum-ledger", "show", "--from", self.server, "--site", "bogus")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn('concerns a site "bogus"; its members are aggregator', found.stderr)
        found = run("hilum-ledger", "show", "99", "--from", self.server)
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn("no round 99; it holds none", found.stderr)
        for verb in ("show", "prove", "audit"):
            found = run("hilum-ledger", verb, "-1", "--from", self.server)
            self.assertEqual(found.returncode, 2, (verb, found.stdout))
            self.assertNotIn("18446744073709551615", found.stderr)

    def test_a_folder_that_cannot_be_made_is_no_server_that_cannot_be_reached(self):
        self.need("hilum-model")
        (self.folder / "file").write_text("")
        found = run("hilum-model", "init", "covidnet-nano", "--seed", "1",
                    "--out", self.folder / "file" / "m")
        self.assertEqual(found.returncode, 1, found.stderr)
        self.assertIn("Not a directory", found.stderr)

    def test_a_ledger_that_cannot_be_reached_is_one_sentence(self):
        self.need("hilum-ledger")
        for url in ("http://127.0.0.1:9", "http://nosuch.invalid:80"):
            found = run("hilum-ledger", "verify", "--from", url)
            self.assertEqual((found.returncode, found.stdout), (5, ""))
            self.assertRegex(found.stderr, rf"\Ahilum-ledger: {url}/checkpoint could not be "
                             r"reached in \d+\.\d s: nothing listens there, or the name is "
                             r"unknown; check that the server runs and that the address is "
                             r"right\n\Z")

    def test_a_negative_number_of_rounds_is_wrong_usage(self):
        self.need("hilum-model")
        found = run("hilum-model", "compare", "job.toml", "--data", "a", "--test", "t",
                    "--rounds", "-1")
        self.assertEqual(found.returncode, 2, found.stdout)
        self.assertIn("--rounds", found.stderr)

    def test_a_comparison_without_a_released_model_needs_no_ledger(self):
        self.need("hilum-model")
        found = run("hilum-model", "compare", "job.toml", "--data", "a", "--test", "t",
                    "--site", "s")
        self.assertEqual(found.returncode, 2, found.stdout)
        self.assertIn("--federated", found.stderr)

    def test_a_wanted_sensitivity_needs_films_to_reach_it_on(self):
        self.need("hilum-model")
        evaluate = ("evaluate", "--model", "m", "--data", "d", "--policy", "p", "--sensitivity")
        found = run("hilum-model", *evaluate, "0.9")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn("--validation DIR", found.stderr)
        found = run("hilum-model", *evaluate, "1.5", "--validation", "v")
        self.assertEqual((found.returncode, found.stdout), (2, ""))
        self.assertIn("--sensitivity", found.stderr)

    def test_no_verb_takes_a_flag_that_it_would_not_read(self):
        self.need("hilum-ledger")
        for verb in ("verify", "fsck"):
            found = run("hilum-ledger", verb, "--from", self.server, "--study", "any")
            self.assertEqual(found.returncode, 2, (verb, found.stdout))
            self.assertIn("--study", found.stderr)

    def test_a_key_that_does_not_parse_is_named_by_its_option(self):
        self.need("hilum-ledger")
        for option in ("--entry-key", "--vkey"):
            found = run("hilum-ledger", "verify", "--from", self.server, option, "x")
            self.assertEqual((found.returncode, found.stdout), (2, ""), found.stderr)
            self.assertIn(f"hilum-ledger: {option}: ", found.stderr)

    def test_a_negative_seed_is_wrong_usage(self):
        self.need("hilum-model")
        found = run("hilum-model", "init", "covidnet-nano", "--seed", "-1",
                    "--out", self.folder / "m")
        self.assertEqual(found.returncode, 2, found.stdout)
        self.assertFalse((self.folder / "m").exists())


def main():
    global BIN
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    options, rest = parser.parse_known_args()
    BIN = options.bin.resolve()
    if "hilum" not in programs():
        print(f"programs_test: {BIN} holds no hilum", file=sys.stderr)
        sys.exit(1)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
