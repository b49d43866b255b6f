"""bench/kernels/predict.py: its arithmetic, the word "predicted", docs/kernels.md as generated."""
import importlib.util
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "bench/kernels/predict.py"
DOCUMENT = ROOT / "docs/kernels.md"

spec = importlib.util.spec_from_file_location("predict", TOOL)
predict = importlib.util.module_from_spec(spec)
spec.loader.exec_module(predict)


class Predict(unittest.TestCase):
    def test_every_figure_says_that_it_is_predicted(self):
        rows = [line for line in predict.tables().splitlines() if re.match(r"\| [A-Z0-9]", line)]
        self.assertEqual(len(rows), len(predict.KERNELS) + len(predict.ROUNDS))
        for line in rows:
            self.assertEqual(line.count("predicted"), len(predict.GPUS), line)
        for table in predict.tables().split("**Predicted, not measured**")[1:]:
            self.assertIn("sm_80", table)

    def test_500_sites_of_100_m_parameters_are_bound_by_the_bus(self):
        there, back, moved = predict.round_bytes(500, 100_000_000)
        self.assertEqual((there, back, moved), (200e9, 0.8e9, 1.2e12))
        line = next(row for row in predict.round_rows() if row.startswith("| 500 sites x 100 M"))
        # A100: 200 GB at 80 % of 32 GB/s, and 0.8 GB back; the memory needs 0.69 s meanwhile.
        self.assertIn(f"predicted {200.8 / 25.6:.3g}", line)
        self.assertIn(f"predicted {200.8 / 51.2:.3g}", line)

    def test_add_words_is_bytes_over_bandwidth(self):
        line = next(predict.kernel_rows())
        kernel = 20 * 25e6 / (2039e9 * 0.85) * 1e3
        self.assertIn(f"{kernel:.3g} / {kernel + 20 * 25e6 / 25.6e9 * 1e3:.3g}", line)

    def test_the_document_is_what_the_tool_writes(self):
        text = DOCUMENT.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "kernels.md"
            copy.write_text(text, encoding="utf-8")
            subprocess.run([sys.executable, TOOL, "--document", copy], check=True)
            self.assertEqual(copy.read_text(encoding="utf-8"), text)

    def test_a_document_without_the_marks_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            other = Path(folder) / "other.md"
            other.write_text("text\n", encoding="utf-8")
            found = subprocess.run([sys.executable, TOOL, "--document", other],
                                   capture_output=True, text=True, check=False)
            self.assertEqual(found.returncode, 1)
            self.assertIn("lacks the marks", found.stderr)
            self.assertEqual(other.read_text(encoding="utf-8"), "text\n")


if __name__ == "__main__":
    unittest.main()
