"""mutants.py kills, and tells survivors from rows that prove nothing; with a stand-in for ninja."""
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
# pylint: disable=wrong-import-position
from mutants import Mutant, Runner, part_of, read_mutants, target_of  # noqa: E402


class FakeRunner(Runner):
    """Compiles nothing; a test passes when its file still holds "limit"."""

    def compile(self, test):
        return "syntax error" if "broken(" in self.text() else None

    def passes(self, test):
        return None if test == "base/None" else "return true" in self.text() or test == "base/Weak"

    def text(self):
        return (self.tree / "base/a.cc").read_text(encoding="utf-8")


class MutantsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        (self.tree / "base").mkdir()
        (self.tree / "base/a.cc").write_text("bool F() { return true; }\n", encoding="utf-8")
        self.runner = FakeRunner(self.tree, self.tree / "build", 1)

    def verdict(self, patch, test="base/A", file="base/a.cc"):
        found = self.runner.verdict(Mutant(test, file, patch, "base.tsv:2"))
        self.assertIn("return true", self.runner.text())  # the tree is as before
        return found

    def test_tells_the_outcomes_apart(self):
        self.assertEqual(self.verdict("s/true/false/"), "killed")
        self.assertIn("SURVIVED", self.verdict("s/true/false/", test="base/Weak"))
        self.assertIn("changes nothing", self.verdict("s/absent/x/"))
        self.assertIn("does not compile", self.verdict("s/return true/broken(/"))
        self.assertIn("no test has that name", self.verdict("s/true/false/", test="base/None"))
        self.assertIn("does not exist", self.verdict("s/a/b/", file="base/b.cc"))
        self.assertIn("sed refuses", self.verdict("s/a/b"))

    def test_reads_tables_strictly(self):
        table = self.tree / "base.tsv"
        table.write_text("test\tfile\tpatch\nbase/A\tbase/a.cc\ts/a/b/\n", encoding="utf-8")
        self.assertEqual(read_mutants(self.tree), [Mutant("base/A", "base/a.cc", "s/a/b/",
                                                          "base.tsv:2")])
        for text in ("test file patch\n", "test\tfile\tpatch\na\tb\n", ""):
            table.write_text(text, encoding="utf-8")
            with self.assertRaises(ValueError):
                read_mutants(self.tree)

    def test_parts_cover_all_rows_once(self):
        rows = list(range(10))
        parts = [part_of(rows, f"{i}/3") for i in (1, 2, 3)]
        self.assertEqual(sum(parts, []), rows)
        self.assertEqual(sorted(len(part) for part in parts), [3, 3, 4])
        for text in ("0/3", "4/3", "1", "a/b"):
            with self.assertRaises(ValueError):
                part_of(rows, text)

    def test_knows_the_binary_of_a_test(self):
        self.assertEqual(target_of("crypto/Tree.Root"), "crypto_test")
        self.assertEqual(target_of("^ledger_anchor/Gate"), "ledger_anchor_test")
        self.assertEqual(target_of("masked_replay$"), "masked_replay_test")
        self.assertEqual(target_of("fuzz_replay/note"), "fuzz_replay_note")
        self.assertEqual(target_of("cli/programs"), "all")
        self.assertEqual(target_of("system"), "all")

    def test_every_row_of_the_tree_still_applies(self):
        """Each patch names an existing file and changes it: no row goes stale unseen."""
        import subprocess
        for mutant in read_mutants(ROOT / "tests/mutants.d"):
            file = ROOT / mutant.file
            self.assertTrue(file.is_file(), mutant)
            done = subprocess.run(["sed", mutant.patch, file], capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, mutant)
            self.assertTrue(done.stdout != file.read_bytes(), mutant)


if __name__ == "__main__":
    unittest.main()
