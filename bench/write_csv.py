"""Writes NAME.csv beside each NAME.json of a Google Benchmark program, and warns where the computer
was not quiet when the program began.

Usage: write_csv.py JSON...
A row is a measurement: the library's columns, the counters that any row has, then the run's date,
cores and load.
"""
import argparse
import csv
import json
import sys
from pathlib import Path

QUIET_LOAD = 0.5  # above it a figure is worth little
FIRST = ["name", "run_type", "aggregate_name", "iterations", "real_time", "cpu_time", "time_unit"]
LEFT_OUT = {"run_name", "family_index", "per_family_instance_index", "repetitions", "threads",
            "repetition_index", "aggregate_unit"}


def columns_of(rows):
    counters = sorted({key for row in rows for key in row} - set(FIRST) - LEFT_OUT)
    return FIRST + counters


def load_of(context):
    """The load of the last minute when the program began; None: it does not say."""
    loads = context.get("load_avg") or [None]
    return loads[0]


def write_csv(source):
    """NAME.csv. ValueError, KeyError: not the JSON of a benchmark program."""
    found = json.loads(source.read_text(encoding="utf-8"))
    context, rows = found["context"], found["benchmarks"]
    about = {"date": context["date"], "cores": context["num_cpus"], "load": load_of(context)}
    with open(source.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns_of(rows) + list(about), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | about for row in rows)
    return about["load"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("sources", type=Path, nargs="+", metavar="JSON")
    for source in parser.parse_args().sources:
        load = write_csv(source)
        if load is not None and load > QUIET_LOAD:
            print(f"warning: the load of this computer was {load:.1f} when {source.stem} began; "
                  f"figures are for a quiet one (below {QUIET_LOAD})", file=sys.stderr)


if __name__ == "__main__":
    main()
