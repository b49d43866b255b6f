"""check_kernels: what each CUDA source needs, and the tree as it is."""
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
# pylint: disable=wrong-import-position
import check_kernels  # noqa: E402

# A tree without a fault: add.cu is used by way of mean.h.
TREE = {
    "kernels/add.h": "",
    "kernels/add.cc": "absl::Status Add() { return cuda::Add(); }",
    "kernels/add.cu": "",
    "kernels/add_program.h": "struct AddProgram {",
    "kernels/mean.h": '#include "kernels/add.h"\n',
    "kernels/programs.cu": "template __global__ void Run(AddProgram);",
    "kernels/budgets.tsv": "kernel\tarch\nAddProgram\tsm_90\n",
    "kernels/cuda_entry.h": '#include "kernels/add.h"\nabsl::Status Add(int device_index);\n',
    "privacy/sum.cc": '#include "kernels/mean.h"\n',
    "tests/kernels/cuda_test.cc": '#include "kernels/add.h"\n',
    "bench/kernels/add_bench.cc": '#include "kernels/add.h"\n',
    "docs/kernels.md": "",
}


class CheckKernelsTest(unittest.TestCase):
    def faults(self, **changes):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (TREE | changes).items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check_kernels.faults_of(Path(folder))

    def test_the_tree_as_it_is(self):
        self.assertEqual(check_kernels.faults_of(ROOT), [])

    def test_a_source_that_has_all_is_no_fault(self):
        self.assertEqual(self.faults(), [])

    def test_each_thing_that_is_missing_is_named(self):
        for change, fault in (
                ({"privacy/sum.cc": ""}, "kernels/add.cu: no program calls it"),
                ({"privacy/sum.cc": '#include "kernels/cuda_entry.h"\n'},
                 "kernels/add.cu: no program calls it"),
                ({"tests/kernels/cuda_test.cc": ""},
                 "kernels/add.cu: no tests/kernels/cuda*_test.cc compares it with the CPU"),
                ({"bench/kernels/add_bench.cc": ""},
                 "kernels/add.cu: no file of bench/kernels times it"),
                ({"kernels/add.cc": ""},
                 "kernels/cuda_entry.h: no .cc of kernels/ calls cuda::Add"),
                ({"kernels/programs.cu": "Run(AddOtherProgram)"},
                 "kernels/add_program.h: programs.cu does not instantiate AddProgram"),
                ({"kernels/budgets.tsv": "kernel\tarch\n"},
                 "kernels/add_program.h: budgets.tsv has no row for AddProgram")):
            self.assertEqual(self.faults(**change), [fault])

    def test_an_excuse_is_written_down_and_true(self):
        excuse = {"docs/kernels.md": "Called by no\nprogram: `add.h`."}
        self.assertEqual(self.faults(**excuse, **{"privacy/sum.cc": ""}), [])
        self.assertEqual(self.faults(**excuse),
                         ["docs/kernels.md: add.h is called by a program after all"])


if __name__ == "__main__":
    unittest.main()
