#!/usr/bin/env python3
"""Fails when a program loads a shared library that docs/architecture.md, section 3, forbids it,
directly or through another library.

Usage: check_links.py --bin FOLDER [--root DIR]
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

# How the page's words look as file names of libraries.
LIBRARIES = {
    "LibTorch": ("libtorch", "libc10"),
    "DCMTK": ("libdcm", "liboflog", "libofstd"),
    "OpenCV": ("libopencv",),
    "gRPC": ("libgrpc", "libprotobuf"),
}
BASE_ONLY = ("libtorch", "libc10", "libdcm", "libopencv", "libgrpc", "libprotobuf", "libsqlite3",
             "libssl", "libcrypto", "libsodium")


def programs_of(page):
    """{program: forbidden library prefixes} of the table in section 3."""
    forbidden = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`(hilum[a-z-]*)`", cells[0])
        if not name or len(cells) != 4:
            continue
        words = re.sub(r"\(.*?\)", "", cells[3])  # `- (links LibTorch)` forbids nothing
        prefixes = [p for word, ps in LIBRARIES.items() if word in words for p in ps]
        uses = set(re.findall(r"[a-z_]+", cells[2]))
        if "client" not in uses and "dicom" not in uses:
            prefixes += LIBRARIES["DCMTK"] + LIBRARIES["OpenCV"]
        if "any other folder" in cells[3]:
            prefixes += BASE_ONLY
        forbidden[name.group(1)] = tuple(sorted(set(prefixes)))
    return forbidden


def loaded_libraries(program):
    """Names of all shared libraries that the loader finds for a program."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return re.findall(r"^\s*(\S+)", done.stdout, re.MULTILINE)


def faults_of(name, libraries, prefixes):
    return [f"{name} loads {Path(library).name}, which it must not"
            for library in libraries if Path(library).name.startswith(prefixes)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    forbidden = programs_of((options.root / "docs/architecture.md").read_text(encoding="utf-8"))
    faults, checked = [], []
    for program in sorted(options.bin.glob("hilum*")):
        if not os.access(program, os.X_OK):
            continue
        checked.append(program.name)
        if program.name not in forbidden:
            faults.append(f"{program.name} is not in the table of docs/architecture.md, section 3")
            continue
        faults += faults_of(program.name, loaded_libraries(program), forbidden[program.name])
    for fault in faults:
        print(fault)
    print(f"check_links: {len(faults)} faults in {', '.join(checked) or 'no program'}")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
