"""Tests tools/kernel_budget.py on small reports."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import kernel_budget

HEADER = "kernel\tarch\tregisters\tspill_bytes\tshared_bytes\n"
REPORT = """\
ptxas info    : Compiling entry function '_ZN5hilum7kernels3RunINS0_10SumProgramEEEvT_' for 'sm_90'
    0 bytes stack frame, {spill} bytes spill stores, 0 bytes spill loads
ptxas info    : Used {registers} registers, used 1 barriers, 1024 bytes smem
"""


class KernelBudget(unittest.TestCase):
    def run_tool(self, budget, registers=20, spill=0):
        with tempfile.TemporaryDirectory() as folder:
            budgets, report = Path(folder, "budgets.tsv"), Path(folder, "report")
            budgets.write_text(HEADER + budget, encoding="utf-8")
            report.write_text(REPORT.format(registers=registers, spill=spill), encoding="utf-8")
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                code = kernel_budget.main(budgets, report)
        return code, printed.getvalue()

    def test_passes_within_the_budget(self):
        self.assertEqual(self.run_tool("SumProgram\tsm_90\t20\t0\t1024\n")[0], 0)

    def test_fails_on_one_register_more(self):
        code, printed = self.run_tool("SumProgram\tsm_90\t20\t0\t1024\n", registers=21)
        self.assertEqual(code, 1)
        self.assertIn("registers 21 of 20", printed)

    def test_fails_on_a_spill(self):
        self.assertEqual(self.run_tool("SumProgram\tsm_90\t20\t0\t1024\n", spill=4)[0], 1)

    def test_fails_on_more_shared_memory(self):
        self.assertEqual(self.run_tool("SumProgram\tsm_90\t20\t0\t1023\n")[0], 1)

    def test_fails_on_a_kernel_without_a_budget(self):
        code, printed = self.run_tool("")
        self.assertEqual(code, 1)
        self.assertIn("has no budget", printed)

    def test_fails_on_a_budget_without_a_kernel(self):
        code, printed = self.run_tool(
            "SumProgram\tsm_90\t20\t0\t1024\nOtherProgram\tsm_90\t20\t0\t0\n")
        self.assertEqual(code, 1)
        self.assertIn("OtherProgram sm_90 not found", printed)

    def test_a_name_that_ends_alike_is_another_kernel(self):
        code, printed = self.run_tool("umProgram\tsm_90\t20\t0\t1024\n")
        self.assertEqual(code, 1)
        self.assertIn("not found", printed)


if __name__ == "__main__":
    unittest.main()
