#!/usr/bin/env python3
"""Fails when a page shows a command that the programs do not know.

Usage: check_docs.py --bin FOLDER [--root DIR]

In README.md, CONTRIBUTING.md, demo/README.md and docs/*.md it reads each command `hilum PROGRAM
VERB --FLAG ...` in code marks and blocks, and each `./dev VERB`, and looks for verb and flags in
the programs' --help. Programs that are not built here are left out.
"""
import argparse
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

PAGES = ("README.md", "CONTRIBUTING.md", "demo/README.md", "docs/*.md")
COMMAND = re.compile(r"(?:^|[\s(`])(hilum [a-z][^`\n]*|\./dev [a-z][^`\n]*)")
# Another page's words, not commands: `hilum server …` in prose has no verb.
PLACEHOLDER = re.compile(r"^[A-Z…<\[{.]")


def commands_of(text):
    """[(line, words)] of the commands in fenced blocks and code marks."""
    found, fenced = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        parts = [line] if fenced else re.findall(r"`([^`]+)`", line)
        for part in parts:
            for match in COMMAND.finditer(part):
                words = re.split(r"\s[#|>&;]|\s\\$| && ", match.group(1))[0].split()
                found.append((number, words))
    return found


@lru_cache(maxsize=None)
def help_text(command):
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def fault_of_program(bin_folder, words):
    """What is wrong with `hilum PROGRAM VERB --flags`, or None."""
    name, rest = words[1], words[2:]
    program = bin_folder / f"hilum-{name}"
    if not program.exists():
        return None
    command = (str(program),)
    if rest and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
        if re.search(rf"^  {rest[0]}\s", help_text(command) or "", re.MULTILINE):
            command += (rest[0],)
        elif not rest[0].startswith("-"):
            return f"hilum {name} has no verb {rest[0]}"
    text = help_text(command) or ""
    for word in rest:
        flag = re.match(r"\[?(--[a-z-]+)", word)
        if flag and flag.group(1) not in ("--help", "--version") and \
                not re.search(rf"{flag.group(1)}(?![a-z-])", text):
            return f"hilum {' '.join(words[1:len(command) + 1])} has no flag {flag.group(1)}"
    return None


def fault_of_dev(root, words):
    listed = subprocess.run([str(root / "dev"), "help"], capture_output=True, text=True,
                            check=True).stdout
    return None if re.search(rf"^  {words[1]}\b", listed, re.MULTILINE) else \
        f"./dev has no verb {words[1]}"


def check(root, bin_folder):
    """Lines of all faults, and how many commands were looked at."""
    faults, n_commands = [], 0
    for page in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        for number, words in commands_of(page.read_text(encoding="utf-8")):
            if len(words) < 2 or PLACEHOLDER.match(words[1]):
                continue
            n_commands += 1
            fault = fault_of_dev(root, words) if words[0] == "./dev" else \
                fault_of_program(bin_folder, words)
            if fault:
                faults.append(f"{page.relative_to(root)}:{number}: {fault}")
    return faults, n_commands


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    faults, n_commands = check(options.root, options.bin.resolve())
    for fault in faults:
        print(fault)
    print(f"check_docs: {len(faults)} faults in {n_commands} commands")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
