"""Kills the server (SIGKILL) in each round of a seeded demo; every run must end with the model of
an undisturbed one.

Usage: kill_walk.py --bin FOLDER [--rounds N] [--seed N]
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_demo(options, folder, *arguments):
    command = [sys.executable, ROOT / "demo/run.py", "--json", "--skip-compare", "--rounds",
               options.rounds, "--seed", options.seed, "--bin", options.bin, "--dir", folder,
               *arguments]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                          check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory(prefix="hilum-kill-") as folder:
        expected = run_demo(options, Path(folder) / "undisturbed")["model_sha256"]
        print(f"undisturbed: {expected}", flush=True)
        for number in range(1, options.rounds + 1):
            found = run_demo(options, Path(folder) / f"kill-{number}", "--kill-server", number)
            same = found["model_sha256"] == expected and found["ledger_verified"]
            faults += not same
            print(f"server killed in round {number}: {found['model_sha256']} "
                  f"{'the same model, ledger verified' if same else 'ANOTHER RESULT'}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
