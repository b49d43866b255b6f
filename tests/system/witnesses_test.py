"""Six witnesses as programs: with three of them killed nothing is published, with four all is.

Usage: witnesses_test.py --bin FOLDER
"""
import argparse
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo"))

from federation import Federation, Programs  # noqa: E402

OPTIONS = argparse.Namespace()
GROWS_TIMEOUT_S = 60
SILENCE_S = 8  # the server asks witnesses again after 5 s at most


class Quorum(unittest.TestCase):
    """Four of six must cosign: one may lie, so two may be away, and not three."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        self.federation = Federation(Programs(OPTIONS.bin, folder / "commands.log"), folder,
                                     ROOT / "demo/data")
        self.addCleanup(self.federation.stop)
        self.federation.create("test.example")
        for name in self.federation.site_names:
            self.federation.join(name)
        self.federation.appoint_witnesses()
        self.federation.start_sites()

    def figure(self, name):
        """A figure of the server's /metrics."""
        url = f"http://{self.federation.addresses['http']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                words = line.split()
                if words[0] == name:
                    return int(float(words[1]))
        raise AssertionError(f"{url} has no {name}")

    def entries(self):
        return self.figure("hilum_ledger_entries")

    def published(self):
        return self.figure("hilum_ledger_published_entries")

    def wait_until(self, holds, what):
        deadline = time.monotonic() + GROWS_TIMEOUT_S
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"not after {GROWS_TIMEOUT_S} s: {what}")
            time.sleep(0.1)

    def log_an_incident(self, site):
        """The command ends with exit code 5: no quorum has cosigned its entry."""
        self.federation.programs.run("site", "incident", "stale", "--about", "test", "--evidence",
                                     Path(__file__), "--dir", self.federation.site_dir(site),
                                     expect=(5,))

    def test_three_dead_witnesses_of_six_stop_publication_and_a_fourth_alive_resumes_it(self):
        names = self.federation.site_names
        self.wait_until(lambda: self.published() == self.entries(), "all entries are published")

        for name in names[:3]:
            self.federation.sites[name].kill()
        before = self.published()
        self.log_an_incident(names[3])
        self.assertGreater(self.entries(), before, "the incident is an entry")
        until = time.monotonic() + SILENCE_S
        while time.monotonic() < until:
            self.assertEqual(self.published(), before, "three of six vouched, four must")
            time.sleep(0.2)

        self.federation.start_site(names[0])
        self.wait_until(lambda: self.published() >= self.entries() > before,
                        "with four of six alive everything is published")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
