"""`./dev bench demo`: the demo under three seeds, and what the federation gains.

Prints and writes (build/bench/demo.json) the balanced accuracy of the federated, the pooled and
each local-only model on the common test films, the paired-bootstrap differences, and whether the
federated model beat every local-only one. Standard library only.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_seed(seed, folder):
    command = [sys.executable, ROOT / "demo/run.py", "--json", "--seed", str(seed), "--fresh",
               "--dir", folder / f"seed-{seed}"]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                          check=True)
    return json.loads(done.stdout)


def row(seed, found):
    metrics = found["metrics"]
    local = {site: m["balanced_accuracy"] for site, m in metrics["local_only"].items()}
    return {"seed": seed, "federated": metrics["federated"]["balanced_accuracy"],
            "federated_ci95": metrics["federated"]["ci95"],
            "pooled": metrics["pooled"]["balanced_accuracy"], "local_only": local,
            "differences": found["differences"], "n": metrics["federated"]["n"],
            "beats_every_local": all(metrics["federated"]["balanced_accuracy"] > value
                                     for value in local.values()),
            "seconds": found["seconds"]}


def machine():
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True,
                            text=True, check=False).stdout.strip()
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {"commit": commit, "cpu": models[0] if models else platform.processor(),
            "cores": os.cpu_count(), "load": os.getloadavg()}


def show(rows):
    for found in rows:
        low, high = found["federated_ci95"]
        best = max(found["local_only"], key=found["local_only"].get)
        print(f"seed {found['seed']}: federated {found['federated']:.3f} [{low:.3f}, {high:.3f}], "
              f"pooled {found['pooled']:.3f}, best local-only {best} "
              f"{found['local_only'][best]:.3f}, n = {found['n']}, "
              f"{found['seconds']['total']:.0f} s")
        for name, difference in found["differences"].items():
            low, high = difference["ci95"]
            print(f"    federated minus {name}: {difference['difference']:+.3f} "
                  f"[{low:+.3f}, {high:+.3f}]")
    print("federated beats every local-only model in each seed: "
          + ("yes" if all(found["beats_every_local"] for found in rows) else "NO"))


def main(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/demo.json")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hilum-bench-") as folder:
        rows = [row(seed, run_seed(seed, Path(folder))) for seed in options.seeds]
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "seeds": rows}, indent=1),
                            encoding="utf-8")
    show(rows)
    print(f"written to {options.json}")
    return 0 if all(found["beats_every_local"] for found in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
