"""The table, the CSV file, the plot and the document that a comparison run becomes."""
import csv
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/peers"))
import report  # noqa: E402  pylint: disable=wrong-import-position,import-error


def row(name, peer, ours, theirs):
    return {"name": name, "peer": peer, "ours_s": ours, "peer_s": theirs, "ratio": theirs / ours,
            "bound_s": ours / 2, "percent_of_bound": 50.0, "runs": 5, "buffers": 10,
            "ours_spread_s": [ours, ours], "peer_spread_s": [theirs, theirs], "load": 0.1,
            "commit": "abc", "cpu": "a processor", "cores": 2}


ROWS = [row("weighted_sum/10/1400000", "flwr", 0.004, 0.08),
        row("weighted_sum/10/12000000", "flwr", 0.04, 1.2),
        row("weighted_sum/50/12000000", "flwr", 0.2, 5.0),
        row("krum/50/1400000", "numpy", 0.1, 0.3)]


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_the_table_names_both_sides_and_the_ratio(self):
        text = report.table(ROWS)
        self.assertIn("| `weighted_sum/10/12000000` | 40.0 ms (40.0 ms to 40.0 ms) | 50 % | flwr | "
                      "1.20 s (1.20 s to 1.20 s) | 30.0 |", text)
        self.assertIn("commit abc".lower(), report.conditions(ROWS).lower())

    def test_the_csv_file_has_a_line_for_each_row(self):
        report.write_csv(ROWS, self.folder / "rows.csv")
        with open(self.folder / "rows.csv", encoding="utf-8") as file:
            found = list(csv.DictReader(file))
        self.assertEqual([line["name"] for line in found], [line["name"] for line in ROWS])
        self.assertEqual(found[1]["peer_s"], "1.2")

    def test_the_plot_draws_both_sides_of_both_panels(self):
        report.plot(ROWS, self.folder / "rows.svg")
        tree = ElementTree.parse(self.folder / "rows.svg")
        lines = tree.findall(".//{http://www.w3.org/2000/svg}polyline")
        self.assertEqual(len(lines), 4)
        report.plot(ROWS[3:], self.folder / "none.svg")  # nothing to draw is no error
        ElementTree.parse(self.folder / "none.svg")

    def test_the_document_keeps_what_people_wrote(self):
        file = self.folder / "performance.md"
        file.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
        report.write_document(ROWS, file)
        text = file.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertNotIn("\nold\n", text)
        self.assertIn("`krum/50/1400000`", text)
        file.write_text("no marks\n", encoding="utf-8")
        with self.assertRaises(ValueError):
            report.write_document(ROWS, file)


if __name__ == "__main__":
    unittest.main()
