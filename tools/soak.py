"""Runs a long demo and watches memory and open files of its server and sites: after the first
quarter of the time neither may go on growing.

Usage: soak.py --bin FOLDER [--rounds N]
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_S = 1.0
MAX_GROWTH = 1.25           # of the median of a later quarter over that of the second
MAX_GROWTH_FLOOR_MB = 16    # less than this is noise of the allocator
PROGRAMS = ("hilum-server", "hilum-site")


def descendants(pid):
    """[(pid, program name)] of the server and sites below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
            except OSError:
                continue
    found = []
    for child in parents:
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid:
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]
                name = os.path.basename(command.decode())
            except OSError:
                continue
            if name in PROGRAMS:
                found.append((child, name))
    return found


def open_files(pid):
    """How many files a process has open; 0 where only root may look (KeepOutOfCoreDumps)."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def sample(pid):
    """(resident memory in MB, open files) of a process, or None when it ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, open_files(pid)


def median(values):
    return sorted(values)[len(values) // 2]


def growth_faults(name, samples):
    """Sentences about a series that grows from its second quarter to its last."""
    quarter = len(samples) // 4
    if quarter < 5:
        return []
    faults = []
    for index, (what, floor) in enumerate((("MB of memory", MAX_GROWTH_FLOOR_MB),
                                           ("open files", 8))):
        early = median([s[index] for s in samples[quarter:2 * quarter]])
        late = median([s[index] for s in samples[-quarter:]])
        print(f"{name}: {what} {early:.0f} -> {late:.0f}", flush=True)
        if late > early * MAX_GROWTH and late - early > floor:
            faults.append(f"{name} grew from {early:.0f} to {late:.0f} {what}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    series = {}
    with tempfile.TemporaryDirectory(prefix="hilum-soak-") as folder:
        command = [sys.executable, ROOT / "demo/run.py", "--json", "--skip-compare", "--rounds",
                   options.rounds, "--bin", options.bin, "--dir", Path(folder) / "run"]
        demo = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        while demo.poll() is None:
            for pid, name in descendants(demo.pid):
                found = sample(pid)
                if found:
                    series.setdefault((name, pid), []).append(found)
            time.sleep(SAMPLE_S)
        if demo.returncode != 0:
            print(f"soak: the demo ended with exit code {demo.returncode}", file=sys.stderr)
            return 1
    faults = [fault for (name, pid), samples in sorted(series.items())
              for fault in growth_faults(f"{name} {pid}", samples)]
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    return 1 if faults or not series else 0


if __name__ == "__main__":
    sys.exit(main())
