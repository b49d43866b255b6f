"""Removes one countermeasure at a time and expects the named test to fail.

Usage: mutants.py [--jobs N] [--folders "base;crypto"] [--part I/N] [--work DIR] [REGEX]

Reads tests/mutants.d/*.tsv: columns test (a CTest name regex), file, patch (a sed expression).
Works on a copy of the tree in DIR (build/mutants) with a build folder of its own. REGEX picks rows
by test or file; --part 1/3 takes the first third of them. A row whose patch changes nothing, does
not compile or runs no test is a fault too.
"""
import argparse
import fcntl
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ["test", "file", "patch"]
TEST_TIMEOUT_S = "300"


@dataclass
class Mutant:
    test: str
    file: str
    patch: str
    where: str  # FILE.tsv:LINE


def read_mutants(folder):
    """All rows. ValueError: a row that is not three columns."""
    mutants = []
    for table in sorted(folder.glob("*.tsv")):
        rows = table.read_text(encoding="utf-8").splitlines()
        if not rows or rows[0].split("\t") != HEADER:
            raise ValueError(f"{table.name}:1: the header must be {' '.join(HEADER)}")
        for number, row in enumerate(rows[1:], 2):
            cells = row.split("\t")
            if len(cells) != 3 or not all(cells):
                raise ValueError(f"{table.name}:{number}: not three columns")
            mutants.append(Mutant(*cells, where=f"{table.name}:{number}"))
    return mutants


def copy_tree(root, tree):
    """What git tracks, and what it would; a file is written only when it changed."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-coz",
         "--exclude-standard"], capture_output=True, check=True).stdout.decode()
    wanted = {name for name in listing.split("\0") if name and (root / name).is_file()}
    for name in wanted:
        target = tree / name
        content = (root / name).read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target)
            target.touch()
    for file in [f for f in tree.rglob("*") if f.is_file()]:
        if str(file.relative_to(tree)) not in wanted:
            file.unlink()


def target_of(test):
    """The ninja target that holds a test: hilum_test and hilum_fuzz name them so."""
    fuzz = re.match(r"\^?fuzz_replay/(\w+)", test)
    if fuzz:
        return f"fuzz_replay_{fuzz.group(1)}"
    name = re.match(r"\^?(\w+)(/|\$$)", test)
    return f"{name.group(1)}_test" if name and not test.endswith("/programs") else "all"


def run(*command):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)


class Runner:
    """Builds and tests in the copy."""

    def __init__(self, tree, build, jobs):
        self.tree, self.build, self.jobs = tree, build, jobs
        self.targets = set()

    def configure(self, libtorch, folders):
        done = run("cmake", "-G", "Ninja", "-S", self.tree, "-B", self.build,
                   "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
                   "-DHILUM_BENCH=OFF", f"-DLIBTORCH_ROOT={libtorch}",
                   *([f"-DHILUM_FOLDERS={folders}"] if folders else []))
        if done.returncode != 0:
            raise RuntimeError(f"configuring the copy failed:\n{done.stdout[-2000:]}")
        listing = run("ninja", "-C", self.build, "-t", "targets", "all").stdout
        self.targets = {line.split(":")[0] for line in listing.splitlines()}

    def compile(self, test):
        """None, or the end of what the compiler said."""
        target = target_of(test)
        if target not in self.targets:
            target = "all"
        done = run("ninja", "-C", self.build, "-j", self.jobs, target)
        return None if done.returncode == 0 else done.stdout[-1500:]

    def passes(self, test):
        """True or False; None when no test has that name."""
        done = run("ctest", "--test-dir", self.build, "-R", test, "--timeout", TEST_TIMEOUT_S)
        if "No tests were found" in done.stdout:
            return None
        return done.returncode == 0

    def verdict(self, mutant):
        """"killed", or why not."""
        file = self.tree / mutant.file
        if not file.is_file():
            return f"{mutant.file} does not exist"
        original = file.read_bytes()
        done = run("sed", "-i", mutant.patch, file)
        try:
            if done.returncode != 0:
                return f"sed refuses the patch: {done.stdout.strip()}"
            if file.read_bytes() == original:
                return "the patch changes nothing: the line it names is gone"
            said = self.compile(mutant.test)
            if said is not None:
                return f"does not compile, so it tests nothing:\n{said}"
            passed = self.passes(mutant.test)
            return {True: "SURVIVED: the test passes without it",
                    None: "no test has that name", False: "killed"}[passed]
        finally:
            file.write_bytes(original)

    def check_unchanged(self, mutants):
        """Names of tests that fail on the unchanged tree: their mutants would prove nothing."""
        failing = set()
        for test in sorted({mutant.test for mutant in mutants}):
            said = self.compile(test)
            if said is not None:
                raise RuntimeError(f"the unchanged tree does not compile:\n{said}")
            if self.passes(test) is False:
                failing.add(test)
        return failing


def walk(runner, mutants):
    """Prints one line a mutant; returns how many were not killed."""
    failing = runner.check_unchanged(mutants)
    faults = 0
    for number, mutant in enumerate(mutants, 1):
        if mutant.test in failing:
            verdict = "the test fails without any patch"
        else:
            verdict = runner.verdict(mutant)
        faults += verdict != "killed"
        print(f"[{number}/{len(mutants)}] {mutant.where} {mutant.file} {mutant.test}: {verdict}",
              flush=True)
    return faults


def part_of(rows, text):
    """The I-th of N nearly equal blocks of `rows`; text is "I/N". ValueError: it is not."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    number, count = (int(match.group(1)), int(match.group(2))) if match else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(f"--part {text} is not I/N with I from 1 to N")
    return rows[len(rows) * (number - 1) // count:len(rows) * number // count]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="mutants.py",
                                     description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folders", default="", help="build these folders only")
    parser.add_argument("--part", default="1/1", help="I/N: this block of the rows only")
    parser.add_argument("--work", type=Path, default=ROOT / "build/mutants")
    parser.add_argument("regex", nargs="?", default="")
    options = parser.parse_args(arguments)
    try:
        part_of([], options.part)
        re.compile(options.regex)
    except re.error as error:
        parser.error(f"{options.regex} is no regular expression: {error}")
    except ValueError as error:
        parser.error(str(error))
    return options


def main():
    options = parse_arguments(sys.argv[1:])
    tree = options.work / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    lock = (options.work / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"mutants: another run works in {options.work}: wait, or give --work",
              file=sys.stderr)
        return 1
    try:
        mutants = [m for m in read_mutants(ROOT / "tests/mutants.d")
                   if re.search(options.regex, m.test) or re.search(options.regex, m.file)]
        mutants = part_of(mutants, options.part)
        copy_tree(ROOT, tree)
        runner = Runner(tree, options.work / "build", options.jobs)
        runner.configure(ROOT / ".deps/libtorch", options.folders)
        faults = walk(runner, mutants)
    except (ValueError, RuntimeError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    print(f"mutants: {len(mutants) - faults} of {len(mutants)} killed")
    return 1 if faults or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
