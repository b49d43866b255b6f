"""The table, the CSV file, the plot and the document that a comparison run becomes; the CSV file of
a benchmark program."""
import contextlib
import csv
import io
import json
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench/peers"), str(ROOT / "bench")]
# pylint: disable=wrong-import-position,import-error
import report  # noqa: E402
import write_csv  # noqa: E402


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


class ProgramCsvTest(unittest.TestCase):
    def run_main(self, context, rows):
        """The lines of the CSV file as dicts, and what was said on stderr."""
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(said):
            source = Path(folder) / "kernels_bench.json"
            source.write_text(json.dumps({"context": context, "benchmarks": rows}),
                              encoding="utf-8")
            with unittest.mock.patch.object(sys, "argv", ["write_csv.py", str(source)]):
                write_csv.main()
            with open(source.with_suffix(".csv"), encoding="utf-8") as file:
                return list(csv.DictReader(file)), said.getvalue()

    def test_each_measurement_is_a_line_with_its_counters_and_the_load(self):
        lines, said = self.run_main(
            {"date": "2026-12-01", "num_cpus": 2, "load_avg": [0.25, 1, 1]},
            [{"name": "AddWords/1", "real_time": 1.5, "time_unit": "ms", "GB/s": 20.0,
              "family_index": 0},
             {"name": "krum", "real_time": 2.5, "time_unit": "ms", "label": "cpu"}])
        self.assertEqual([line["name"] for line in lines], ["AddWords/1", "krum"])
        self.assertEqual((lines[0]["GB/s"], lines[1]["GB/s"], lines[1]["label"]),
                         ("20.0", "", "cpu"))
        self.assertEqual((lines[0]["date"], lines[0]["cores"], lines[0]["load"]),
                         ("2026-12-01", "2", "0.25"))
        self.assertNotIn("family_index", lines[0])
        self.assertEqual(said, "")

    def test_a_busy_computer_is_a_warning(self):
        context = {"date": "2026-12-01", "num_cpus": 2, "load_avg": [0.51]}
        self.assertIn("warning: the load of this computer was 0.5 when kernels_bench began",
                      self.run_main(context, [])[1])
        self.assertEqual(self.run_main(context | {"load_avg": []}, [])[1], "")


if __name__ == "__main__":
    unittest.main()
