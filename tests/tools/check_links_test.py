"""check_links reads its table from docs/architecture.md and knows a forbidden library."""
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
# pylint: disable=wrong-import-position
from check_links import faults_of, loaded_libraries, programs_of  # noqa: E402

PAGE = """
| program | for | uses | must not link |
|---|---|---|---|
| `hilum` | everyone | base | any other folder of ours |
| `hilum-server` | the operator | aggregator | LibTorch, DCMTK, OpenCV |
| `hilum-site` | a hospital | client | - (links LibTorch) |
| `hilum-dicom` | a physicist | dicom | LibTorch |
| `hilum-job` | the ML lead | proto, privacy (accountant) | LibTorch |
| verb | not | a | program |
"""


class CheckLinksTest(unittest.TestCase):
    def setUp(self):
        self.forbidden = programs_of(PAGE)

    def faults(self, program, *libraries):
        return faults_of(program, libraries, self.forbidden[program])

    def test_reads_one_row_a_program(self):
        self.assertEqual(sorted(self.forbidden),
                         ["hilum", "hilum-dicom", "hilum-job", "hilum-server", "hilum-site"])

    def test_names_what_is_forbidden(self):
        self.assertEqual(self.faults("hilum-server", "/x/libtorch_cpu.so", "libc.so.6"),
                         ["hilum-server loads libtorch_cpu.so, which it must not"])
        for library in ("libc10.so", "libdcmdata.so.17", "libopencv_core.so.406", "liboflog.so"):
            self.assertTrue(self.faults("hilum-server", library), library)

    def test_the_arrows_keep_dicom_out_of_job_too(self):
        self.assertTrue(self.faults("hilum-job", "libdcmdata.so.17"))
        self.assertFalse(self.faults("hilum-job", "libgrpc++.so.1.51"))

    def test_allows_what_a_program_is_for(self):
        self.assertFalse(self.faults("hilum-dicom", "libdcmdata.so.17", "libopencv_core.so.406"))
        self.assertTrue(self.faults("hilum-dicom", "libtorch_cpu.so"))
        self.assertFalse(self.faults("hilum-site", "libtorch_cpu.so", "libdcmdata.so.17"))

    def test_the_dispatcher_loads_nothing_of_ours(self):
        self.assertTrue(self.faults("hilum", "libgrpc++.so.1.51"))
        self.assertTrue(self.faults("hilum", "libcrypto.so.3"))

    def test_the_real_page_has_all_programs(self):
        page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
        self.assertLessEqual({"hilum", "hilum-server", "hilum-site", "hilum-infer", "hilum-job",
                              "hilum-ledger", "hilum-dicom", "hilum-model"}, set(programs_of(page)))

    def test_sees_what_a_program_loads(self):
        self.assertIn("libc.so.6", loaded_libraries("/bin/sh"))


if __name__ == "__main__":
    unittest.main()
