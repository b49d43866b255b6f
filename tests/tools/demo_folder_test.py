"""--fresh deletes a folder of a demo's run, and no other that happens to hold a job.toml."""
import argparse
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "demo"))
from federation import DemoError  # noqa: E402
from run import make_folder  # noqa: E402


def make(folder, fresh=False):
    return make_folder(argparse.Namespace(dir=folder, fresh=fresh))


class MakeFolderTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.folder = Path(self.temp.name) / "run"

    def test_a_run_is_deleted_only_when_asked(self):
        make(self.folder)
        (self.folder / "job.toml").write_text("x", encoding="utf-8")
        with self.assertRaisesRegex(DemoError, "holds an earlier run"):
            make(self.folder)
        make(self.folder, fresh=True)
        self.assertFalse((self.folder / "job.toml").exists())

    def test_a_folder_of_something_else_is_never_deleted(self):
        self.folder.mkdir()
        key = self.folder / "log.key"
        (self.folder / "job.toml").write_text("x", encoding="utf-8")
        key.write_text("secret", encoding="utf-8")
        for fresh in (False, True):
            with self.assertRaisesRegex(DemoError, "holds no demo"):
                make(self.folder, fresh)
        self.assertTrue(key.exists())


if __name__ == "__main__":
    unittest.main()
