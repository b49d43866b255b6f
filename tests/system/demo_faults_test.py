"""What the demo says when something fails: a program in hilum's place fails as it is told."""
import io
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
import federation  # noqa: E402
import run  # noqa: E402

# Ends with the exit codes of the file `codes`, one a call, the last one for ever.
FAILING = """#!/bin/sh
cd "$(dirname "$0")"
code=$(head -n 1 codes)
[ "$(wc -l < codes)" = 1 ] || sed -i 1d codes
echo "hilum: said why" >&2
exit "$code"
"""


class FaultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "hilum").write_text(FAILING, encoding="utf-8")
        (self.folder / "hilum").chmod(0o755)
        pause = mock.patch.object(federation, "RETRY_PAUSE_S", 0)
        pause.start()
        self.addCleanup(pause.stop)

    def call(self, *codes):
        """Whether a call does, when the program ends with these codes; and how often it ran."""
        (self.folder / "codes").write_text("".join(f"{c}\n" for c in codes), encoding="utf-8")
        log = self.folder / "commands.log"
        log.unlink(missing_ok=True)
        try:
            federation.Programs(self.folder, log).run("job", "status")
            done = True
        except federation.DemoError as error:
            self.assertIn(f"ended with exit code {codes[-1]}: hilum: said why", str(error))
            done = False
        return done, log.read_text(encoding="utf-8").count("$ hilum job status")

    def test_a_call_that_did_not_reach_the_server_is_tried_again(self):
        self.assertEqual(self.call(5, 5, 0), (True, 3))
        self.assertEqual(self.call(5), (False, federation.TRIES))
        self.assertEqual(self.call(2), (False, 1))

    def test_a_failed_demo_says_where_its_files_are(self):
        (self.folder / "codes").write_text("1\n", encoding="utf-8")
        error = io.StringIO()
        with redirect_stderr(error):
            code = run.main(["--bin", str(self.folder), "--dir", str(self.folder / "run")])
        self.assertEqual(code, 1)
        self.assertIn("ended with exit code 1: hilum: said why", error.getvalue())
        self.assertIn(f"demo: all files stay in {self.folder / 'run'}: ", error.getvalue())
        self.assertTrue((self.folder / "run/commands.log").exists())

    def test_a_folder_that_cannot_be_made_is_one_sentence(self):
        (self.folder / "file").write_text("", encoding="utf-8")
        for place in (self.folder / "file", self.folder / "file" / "run", "/proc/x"):
            found = subprocess.run([sys.executable, str(ROOT / "demo/run.py"), "--dir", str(place)],
                                   capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((found.returncode, found.stdout), (1, ""))
            self.assertRegex(found.stderr, rf"\Ademo: [^\n]*{place}[^\n]*\n\Z")


if __name__ == "__main__":
    unittest.main()
