"""report_skips lists what was skipped, and only the label `cuda` may."""
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
# pylint: disable=wrong-import-position
from report_skips import report, skipped_tests  # noqa: E402

JUNIT = """<?xml version="1.0"?>
<testsuite>
 <testcase name="base/Bytes.RoundTrip" status="run"/>
 <testcase name="kernels/Sum.Cuda" status="notrun">
  <skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
  <system-out>sum_test.cc:9: Skipped
there is no CUDA device
[  SKIPPED ] Sum.Cuda
</system-out>
 </testcase>
 <testcase name="proto/Old" status="disabled"/>
</testsuite>
"""


class ReportSkipsTest(unittest.TestCase):
    def skipped(self):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(JUNIT)
            file.flush()
            return skipped_tests(file.name)

    def test_finds_skipped_and_disabled_tests_with_their_reasons(self):
        self.assertEqual(self.skipped(), [("kernels/Sum.Cuda", "there is no CUDA device"),
                                          ("proto/Old", "no reason given")])

    def test_fails_on_a_skip_without_the_label(self):
        out = io.StringIO()
        self.assertFalse(report(self.skipped(), {"kernels/Sum.Cuda": ["cuda"]}, out))
        self.assertIn("proto/Old: no reason given (NOT ALLOWED", out.getvalue())
        self.assertNotIn("device (NOT", out.getvalue())

    def test_passes_when_all_carry_the_label_or_none_was_skipped(self):
        labels = {"kernels/Sum.Cuda": ["kernels", "cuda"], "proto/Old": ["cuda"]}
        self.assertTrue(report(self.skipped(), labels, io.StringIO()))
        self.assertTrue(report([], {}, io.StringIO()))


if __name__ == "__main__":
    unittest.main()
