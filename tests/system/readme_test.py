"""Runs README.md's "A federation by hand" as it stands: only the folders and the ports differ.

Usage: readme_test.py --bin FOLDER
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path()
TIMEOUT_S = 240


def block():
    """The commands of the section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## A federation by hand"):]
    begin = section.index("```sh\n") + len("```sh\n")
    return section[begin:section.index("```", begin)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def replaced(text, old, new):
    if text.count(old) != 1:
        raise AssertionError(f"README.md has {text.count(old)} times {old!r}, once was expected")
    return text.replace(old, new)


def script(folder):
    grpc, http = free_port(), free_port()
    text = replaced(block(), "PATH=$PWD/build/release/bin:$PATH", f"PATH={BIN}:$PATH")
    text = replaced(text, "DEMO=$PWD/demo", f"DEMO={ROOT}/demo")
    text = replaced(text, "mkdir ../federation && cd ../federation", f"cd {folder}")
    text = replaced(text, "--server 127.0.0.1:7443", f"--server 127.0.0.1:{grpc}")
    ports = (f"sed -i 's/:7443/:{grpc}/; s/:7480/:{http}/' srv/server.toml "
             "srv/operator/federation.json")
    text = replaced(text, "hilum server run --dir srv &", f"{ports}\nhilum server run --dir srv &")
    # Every command must do; `kill` at the end leaves nothing behind.
    return "set -e -o pipefail\n" + text + "wait\n"


class ReadmeTest(unittest.TestCase):
    def test_a_federation_by_hand(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shell = subprocess.Popen(["bash", "-c", script(folder)], cwd=ROOT, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     start_new_session=True)
            try:
                output, _ = shell.communicate(timeout=TIMEOUT_S)
            finally:
                self.end(shell)
            # `wait` without names is 0 whatever the stopped programs return.
            self.assertEqual(shell.returncode, 0, output)
            self.check(folder, output)

    @staticmethod
    def end(shell):
        """Whatever of the script is left, when a command failed or the time was over."""
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def check(self, folder, output):
        self.assertIn("job first is done", output)
        self.assertIn("entries verified", output)
        for made in ("report.html", "report.csv", "released/model.safetensors",
                     "released/round.tlog-proof", "released/MODEL_CARD.md"):
            self.assertTrue((folder / made).is_file(), made)
        result = json.loads((folder / "result/DEMO-T-0001_1/result.json").read_text("utf-8"))
        self.assertFalse(result["abstained"], result)
        self.assertEqual((result["model"], result["round"]), ("first", 3))
        self.assertTrue((folder / "result/DEMO-T-0001_1/overlay.png").is_file())


def main():
    global BIN
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    options, rest = parser.parse_known_args()
    BIN = options.bin.resolve()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
