"""check_docs finds the commands of a page, and names a verb or flag that no program has."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
# pylint: disable=wrong-import-position
from check_docs import check, commands_of  # noqa: E402

PROGRAM = """#!/bin/sh
case "$1" in
  launch) printf 'Usage\\n  --as TEXT\\n  --wait-long\\n' ;;
  *) printf 'Subcommands:\\n  launch    Starts a job\\n' ;;
esac
"""
DEV = "#!/bin/sh\nprintf '  demo [--json]\\n  test\\n'\n"


class CheckDocsTest(unittest.TestCase):
    def faults(self, page):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in (("hilum-job", PROGRAM), ("dev", DEV)):
                (root / name).write_text(text, encoding="utf-8")
                (root / name).chmod(0o755)
            (root / "README.md").write_text(page, encoding="utf-8")
            return check(root, root)[0]

    def test_finds_commands_in_blocks_and_marks_only(self):
        text = "hilum job prose\n`hilum job launch A` and `./dev demo --json`\n" \
               "```\nhilum job status --as D  # a comment\nhilum site join && echo\n```\n"
        self.assertEqual(commands_of(text), [(2, ["hilum", "job", "launch", "A"]),
                                             (2, ["./dev", "demo", "--json"]),
                                             (4, ["hilum", "job", "status", "--as", "D"]),
                                             (5, ["hilum", "site", "join"])])

    def test_accepts_what_the_programs_know(self):
        self.assertEqual(self.faults("`hilum job launch JOB.toml --as DIR`, `hilum VERB …`, "
                                     "`./dev test -R x`, `hilum site join` (not built)\n"), [])

    def test_names_what_they_do_not(self):
        self.assertEqual(self.faults("`hilum job lunch`\n"),
                         ["README.md:1: hilum job has no verb lunch"])
        self.assertEqual(self.faults("`hilum job launch --wait`\n"),
                         ["README.md:1: hilum job launch has no flag --wait"])
        self.assertEqual(self.faults("\n`./dev dance`\n"), ["README.md:2: ./dev has no verb dance"])


if __name__ == "__main__":
    unittest.main()
