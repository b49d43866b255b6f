"""log_root/N: the root of N entries of 300 bytes, with all hashes below it; checkpoint_open/N: N
signed checkpoints, each with its Ed25519 signature. Against golang.org/x/mod (sumdb/tlog and
sumdb/note) as Debian packages it, on all cores too. No bound: the benches of bench/ledger_anchor
have theirs.
"""
import os
import re
import subprocess
import tempfile
from pathlib import Path

import side_by_side

ROOTS = [10_000, 1_000_000]
NOTES = [20_000]
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


def row(name, worker, peer, arguments):
    ours = side_by_side.Side([worker, *arguments])
    theirs = side_by_side.Side([peer, *arguments])
    for side in (ours, theirs):
        side.run()
    found = [side.ask("result") for side in (ours, theirs)]
    if found[0] != found[1]:
        raise RuntimeError(f"{name}: Hilum finds {found[0]}, x/mod {found[1]}")
    times = side_by_side.take_turns(ours, theirs, side_by_side.RUNS, 1)
    result = side_by_side.row_of(name, "xmod", times, None, result=found[0])
    for side in (ours, theirs):
        side.close()
    side_by_side.show(result)
    return result


def main():
    options = side_by_side.options_of(__doc__)
    side_by_side.warn_of_load()
    worker = options.bin / "bench/ledger_worker"
    rows = []
    with tempfile.TemporaryDirectory(prefix="hilum-peers-") as folder:
        peer = Path(folder) / "xmod_peer"
        subprocess.run(["go", "build", "-o", peer, Path(__file__).with_name("xmod_peer.go")],
                       check=True, env={**os.environ, **GO, "GOCACHE": str(Path(folder) / "go")})
        wanted = [("log_root", n) for n in ROOTS] + [("checkpoint_open", n) for n in NOTES]
        for operation, n in wanted:
            name = f"{operation}/{n}"
            if not re.search(options.filter, name):
                continue
            arguments = [operation, n]
            if operation == "checkpoint_open":
                notes = Path(folder) / "notes"
                vkey = subprocess.run([worker, "notes", str(n), notes], check=True, text=True,
                                      capture_output=True).stdout.strip()
                arguments = [operation, notes, vkey]
            rows.append(row(name, worker, peer, arguments))
    side_by_side.finish(options, rows)


if __name__ == "__main__":
    main()
