#!/usr/bin/env python3
"""Fails when a CUDA source of kernels/ is not used, not compared with the CPU, not timed or not
counted.

For each kernels/NAME.cu: a program includes NAME.h, directly or through other kernels; so does a
tests/kernels/cuda*_test.cc; so does a file of bench/kernels; and every function of cuda_entry.h is
called by a .cc of kernels/. For each block program: programs.cu instantiates it for CUDA, and
budgets.tsv says what it may cost. A header that no program uses has to stand in docs/kernels.md as
"Called by no program: `NAME.h`.", and one that stands there is used by none.

Usage: check_kernels.py [--root DIR]
"""
import argparse
import re
import sys
from pathlib import Path

PRODUCT = ["aggregator", "client", "cli", "dicom", "evaluation", "models", "privacy"]
INCLUDE = re.compile(r'^#include "(kernels/\w+)\.h"', re.MULTILINE)


def read(path):
    return path.read_text(encoding="utf-8")


def files(root, folder, pattern="**/*"):
    return [path for path in (root / folder).glob(pattern) if path.suffix in (".cc", ".h")]


def reached_from(root, paths):
    """Names in kernels/ that these files include, directly or through others there. cuda_entry.h
    includes every kernel, so it shows the use of none."""
    todo = {name for path in paths for name in INCLUDE.findall(read(path))}
    reached = set()
    while todo:
        name = todo.pop()
        reached.add(name)
        for path in (root / f"{name}.h", root / f"{name}.cc"):
            if path.exists() and not name.endswith("cuda_entry"):
                todo |= set(INCLUDE.findall(read(path))) - reached
    return {name.removeprefix("kernels/") for name in reached}


def faults_of_sources(root):
    product = reached_from(root, [p for folder in PRODUCT for p in files(root, folder)])
    parity = reached_from(root, files(root, "tests/kernels", "cuda*_test.cc"))
    benches = reached_from(root, files(root, "bench/kernels", "*"))
    document = re.sub(r"\s+", " ", read(root / "docs/kernels.md"))
    excused = re.search(r"Called by no program: ((?:`\w+\.h`(?:, )?)+)\.", document)
    excused = set(re.findall(r"`(\w+)\.h`", excused[1])) if excused else set()
    for path in sorted((root / "kernels").glob("*.cu")):
        name = path.stem
        if name == "programs":
            continue
        if name not in product and name not in excused:
            yield f"kernels/{name}.cu: no program calls it"
        if name not in parity:
            yield f"kernels/{name}.cu: no tests/kernels/cuda*_test.cc compares it with the CPU"
        if name not in benches:
            yield f"kernels/{name}.cu: no file of bench/kernels times it"
    for name in sorted(excused & product):
        yield f"docs/kernels.md: {name}.h is called by a program after all"


def faults_of_entries(root):
    calls = "".join(read(path) for path in (root / "kernels").glob("*.cc"))
    header = read(root / "kernels/cuda_entry.h")
    for name in re.findall(r"^(?:absl::\w+(?:<.*>)?|int) (\w+)\(", header, re.MULTILINE):
        if f"cuda::{name}(" not in calls:
            yield f"kernels/cuda_entry.h: no .cc of kernels/ calls cuda::{name}"


def faults_of_programs(root):
    built = read(root / "kernels/programs.cu")
    budgets = {line.split("\t")[0] for line in read(root / "kernels/budgets.tsv").splitlines()}
    for path in sorted((root / "kernels").glob("*_program.h")):
        for name in re.findall(r"^struct (\w+Program) \{", read(path), re.MULTILINE):
            if not re.search(rf"Run\({name}[<)]", built):
                yield f"kernels/{path.name}: programs.cu does not instantiate {name}"
            if name not in budgets:
                yield f"kernels/{path.name}: budgets.tsv has no row for {name}"


def faults_of(root):
    return [*faults_of_sources(root), *faults_of_entries(root), *faults_of_programs(root)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    faults = faults_of(parser.parse_args().root)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
