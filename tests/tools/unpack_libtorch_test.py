"""unpack_libtorch takes headers and CPU libraries, nothing that would shadow or fill the disk."""
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/unpack_libtorch.py"
MEMBERS = ("torch/include/ATen/ATen.h", "torch/include/google/protobuf/message.h",
           "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libtorch_cuda.so",
           "torch/lib/libtorch_python.so", "torch/lib/libtorch.so", "torch/__init__.py",
           "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13",
           "torch/include/../../escape.h")


class UnpackTest(unittest.TestCase):
    def unpack(self, members, *arguments):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        wheel = Path(folder.name) / "all.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for member in members:
                archive.writestr(member, member)
        out = Path(folder.name) / "out"
        done = subprocess.run([sys.executable, TOOL, *arguments, out, wheel], check=False,
                              capture_output=True, text=True)
        self.assertFalse((Path(folder.name) / "escape.h").exists())
        files = sorted(str(f.relative_to(out)) for f in out.rglob("*") if f.is_file())
        return done, files

    def test_takes_what_a_cpu_build_needs(self):
        done, files = self.unpack(MEMBERS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(files, ["include/ATen/ATen.h", "lib/libc10.so", "lib/libcudart.so.13",
                                 "lib/libcupti.so.13", "lib/libtorch_cpu.so"])

    def test_takes_the_cuda_libraries_when_asked(self):
        self.assertIn("lib/libtorch_cuda.so", self.unpack(MEMBERS, "--cuda")[1])

    def test_says_what_is_missing(self):
        done, _ = self.unpack(["torch/lib/libtorch_cpu.so"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("libc10.so", done.stderr)


if __name__ == "__main__":
    unittest.main()
