"""Takes LibTorch's headers and libraries out of the wheels, into one folder.

Usage: unpack_libtorch.py [--cuda] FOLDER WHEEL...
Protobuf's headers of another version (include/google) stay out: they would shadow the system's.
Without --cuda the CUDA libraries of LibTorch stay out too: 600 MB that a CPU build never loads.
"""
import argparse
import shutil
import sys
import zipfile
from pathlib import Path

SKIPPED_HEADERS = ("torch/include/google/",)
SKIPPED_LIBRARIES = ("libtorch_python", "libtorch.so", "libtorch_global_deps", "libshm")
CUDA_LIBRARIES = ("libtorch_cuda", "libtorch_nvshmem", "libc10_cuda", "libcaffe2_nvrtc")
# What libtorch_cpu needs of CUDA even where there is no GPU.
RUNTIME_LIBRARIES = ("libcudart.so.13", "libcupti.so.13")


def target_of(name, cuda):
    """Where a wheel's member goes, from the folder; None: nowhere."""
    path = Path(name)
    if name.endswith("/"):
        return None
    if name.startswith("torch/include/") and not name.startswith(SKIPPED_HEADERS):
        return path.relative_to("torch")
    if name.startswith("torch/lib/") and not path.name.startswith(SKIPPED_LIBRARIES):
        if cuda or not path.name.startswith(CUDA_LIBRARIES):
            return path.relative_to("torch")
    if path.parts[0] == "nvidia" and path.name in RUNTIME_LIBRARIES:
        return Path("lib") / path.name
    return None


def unpack(wheel, folder, cuda):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = target_of(member.filename, cuda)
            if target is None or ".." in target.parts:
                continue
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, (folder / target).open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("folder", type=Path)
    parser.add_argument("wheels", type=Path, nargs="+")
    options = parser.parse_args()
    for wheel in options.wheels:
        unpack(wheel, options.folder, options.cuda)
    missing = [name for name in ("libtorch_cpu.so", "libc10.so", *RUNTIME_LIBRARIES)
               if not (options.folder / "lib" / name).exists()]
    if missing:
        print(f"unpack_libtorch: the wheels hold no {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
