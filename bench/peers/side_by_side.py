"""Runs Hilum and a peer side by side: the same inputs, warmed, in turns (A B A B), results compared
before any time is taken. Used by the *_peer.py scripts; standard library and NumPy.
"""
import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = 5
QUIET_LOAD = 0.5           # above it a figure is worth little
DISTINCT_LIMIT = 10e9      # bytes of inputs; beyond it 8 buffers are read in turn
MEMORY_MARGIN = 2e9


class Side:
    """A process that answers `run K`, `write FILE` and `bound`."""

    def __init__(self, command):
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.expect("ready")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.line()

    def line(self):
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{' '.join(self.command)} ended; its reason stands above")
        return answer

    def expect(self, word):
        while self.line() != word:
            pass

    def run(self, number=0):
        """Seconds of one run over set `number` of the inputs."""
        return float(self.ask(f"run {number}"))

    def result(self, folder):
        file = Path(folder) / f"result-{self.process.pid}.f32"
        self.ask(f"write {file}")
        values = np.fromfile(file, dtype=np.float32)
        file.unlink()
        return values

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def free_memory():
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return 1024 * int(re.search(r"MemAvailable:\s+(\d+)", text).group(1))


def machine():
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], text=True,
                            capture_output=True, check=False).stdout.strip() or "unknown"
    names = re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {"commit": commit, "cpu": names[0] if names else "unknown",
            "cores": len(os.sched_getaffinity(0))}


def warn_of_load():
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        print(f"warning: the load of this computer is {load:.1f}; figures are for a quiet one "
              f"(below {QUIET_LOAD})", file=sys.stderr)


def last_cache():
    """Bytes of the last-level cache; 0: not known."""
    text = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    return 1024 * int(text.read_text().rstrip("K\n")) if text.exists() else 0


def buffers_that_fit(n_sites, n_params, in_turn):
    """Distinct allocations: one a site, or 8 in turn where the memory does not hold them twice.
    `in_turn`: as many sets of sites as make four times the last-level cache, each run another."""
    needed = n_sites * n_params * 4
    n_sets = max(1, math.ceil(4 * last_cache() / needed)) if in_turn else 1
    for count in (n_sets, 1):
        if (needed * count <= DISTINCT_LIMIT and
                2.2 * needed * count + MEMORY_MARGIN < free_memory()):
            return n_sites * count
    return min(n_sites, 8)


def write_inputs(file, n_buffers, n_params):
    """Values as of updates of a network: normal, 0.02, and every buffer another."""
    random = np.random.default_rng(1)
    base = random.standard_normal(n_params, dtype=np.float32) * np.float32(0.02)
    with open(file, "wb") as out:
        for number in range(n_buffers):
            noise = random.standard_normal(1 << 20, dtype=np.float32) * np.float32(0.01)
            shifted = base + np.resize(np.roll(noise, 977 * number), n_params)
            shifted.astype(np.float32).tofile(out)


def compare_results(name, peer, ours, theirs, tolerance):
    """Largest difference. RuntimeError: the two sides do not compute the same thing."""
    if ours.shape != theirs.shape:
        raise RuntimeError(f"{name}: Hilum gives {ours.size} values, {peer} {theirs.size}")
    difference = float(np.max(np.abs(ours - theirs)))
    if not difference <= tolerance:
        raise RuntimeError(f"{name}: Hilum and {peer} differ by {difference:.3g}, more than "
                           f"{tolerance:.3g}: they do not compute the same thing")
    return difference


def take_turns(ours, theirs, runs, n_sets):
    """(seconds of ours, seconds of theirs), run by run."""
    times = ([], [])
    for number in range(1, runs + 1):
        times[0].append(ours.run(number % n_sets))
        times[1].append(theirs.run(number % n_sets))
    return times


def row_of(name, peer, times, bound_s, **more):
    ours_s, peer_s = (statistics.median(side) for side in times)
    return {"name": name, "peer": peer, "ours_s": ours_s, "peer_s": peer_s,
            "ratio": peer_s / ours_s, "bound_s": bound_s,
            "percent_of_bound": 100 * bound_s / ours_s if bound_s else None,
            "runs": len(times[0]), "ours_spread_s": [min(times[0]), max(times[0])],
            "peer_spread_s": [min(times[1]), max(times[1])], "load": os.getloadavg()[0],
            **machine(), **more}


def show(row):
    bound = f", {row['percent_of_bound']:.0f} % of the bound" if row["bound_s"] else ""
    print(f"{row['name']}: {row['ours_s'] * 1e3:.1f} ms{bound}; {row['peer']} "
          f"{row['peer_s'] * 1e3:.1f} ms: {row['ratio']:.1f} times", flush=True)


def options_of(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bin", type=Path, required=True, help="build folder, e.g. build/release")
    parser.add_argument("--peers", type=Path, required=True, help="folder of their environments")
    parser.add_argument("--filter", default="", help="regular expression of row names")
    parser.add_argument("--out", type=Path, required=True, help="JSON list of rows")
    return parser.parse_args()


def compare_vectors(options, sizes, operation, peers, bytes_of, *, suffix="", tolerance=1e-6,
                    runs=RUNS, in_turn=True):
    """Rows of one operation on vectors. `bytes_of`(N, P): what the bound counts. `in_turn`: see
    buffers_that_fit."""
    rows = []
    for n_sites, n_params in sizes:
        name = f"{operation}/{n_sites}/{n_params}{suffix}"
        if not re.search(options.filter, name):
            continue
        n_buffers = buffers_that_fit(n_sites, n_params, in_turn)
        with tempfile.TemporaryDirectory(prefix="hilum-peers-", dir="/dev/shm") as folder:
            file = Path(folder) / "updates.f32"
            write_inputs(file, n_buffers, n_params)
            arguments = [operation + suffix, n_sites, n_params, n_buffers, file]
            ours = Side([options.bin / "bench/peer_worker", *arguments])
            bound = float(ours.ask("bound"))
            for peer in peers:
                theirs = Side([options.peers / peer / "bin/python",
                               Path(__file__).with_name("peer.py"), peer, *arguments])
                ours.run()
                theirs.run()
                difference = compare_results(name, peer, ours.result(folder),
                                             theirs.result(folder), tolerance)
                times = take_turns(ours, theirs, runs, max(1, n_buffers // n_sites))
                row = row_of(name, peer, times,
                             bytes_of(n_sites, n_params) / bound, buffers=n_buffers,
                             max_difference=difference, bound_bytes_s=bound)
                theirs.close()
                show(row)
                rows.append(row)
            ours.close()
    return rows


def finish(options, rows):
    options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
