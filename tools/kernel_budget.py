"""Fails when a CUDA kernel uses more registers, spills or shared memory than its budget.

Usage: kernel_budget.py BUDGETS.TSV PTXAS_REPORT...
A report is what `ptxas -v` prints. A budget names a block program without its template arguments
and holds for each of its instantiations. A kernel without a budget fails; so does a budget without
a kernel.
"""
import csv
import re
import sys

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
COSTS = {
    "registers": re.compile(r"Used (\d+) registers"),
    "spill_bytes": re.compile(r"(\d+) bytes spill stores"),
    "shared_bytes": re.compile(r"(\d+) bytes smem"),
}


def read_kernels(path):
    """Returns one dict a kernel: symbol, arch and the three costs."""
    kernels = []
    with open(path, encoding="utf-8") as report:
        for line in report:
            if entry := ENTRY.search(line):
                kernels.append({"symbol": entry[1], "arch": entry[2], **dict.fromkeys(COSTS, 0)})
            for cost, pattern in COSTS.items():
                if kernels and (found := pattern.search(line)):
                    kernels[-1][cost] = int(found[1])
    return kernels


def belongs(kernel, budget):
    """In a mangled symbol a name stands after its length, and before E or its arguments' I."""
    name = budget["kernel"]
    return (budget["arch"] == kernel["arch"]
            and re.search(rf"\D{len(name)}{name}[EI]", kernel["symbol"]) is not None)


def read_budgets(path):
    with open(path, encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def main(budget_path, *report_paths):
    budgets = read_budgets(budget_path)
    kernels = [kernel for path in report_paths for kernel in read_kernels(path)]
    failed = False
    for budget in budgets:
        matches = [kernel for kernel in kernels if belongs(kernel, budget)]
        if not matches:
            failed = True
            print("FAIL", budget["kernel"], budget["arch"], "not found")
        for kernel in matches:
            ok = all(kernel[cost] <= int(budget[cost]) for cost in COSTS)
            failed |= not ok
            used = ", ".join(f"{cost} {kernel[cost]} of {budget[cost]}" for cost in COSTS)
            print("ok  " if ok else "FAIL", budget["kernel"], budget["arch"], used)
    for kernel in kernels:
        if not any(belongs(kernel, budget) for budget in budgets):
            failed = True
            print("FAIL", kernel["symbol"], kernel["arch"], "has no budget")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
