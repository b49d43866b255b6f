"""Installs the libraries into a folder of its own, and builds and runs a small program of somebody
else with find_package(hilum).

Usage: install_test.py --build FOLDER
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CMAKE_LISTS = """cmake_minimum_required(VERSION 3.25)
project(consumer CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(hilum 0.1 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer PRIVATE hilum::ledger_anchor hilum::privacy hilum::evaluation)
"""

MAIN = """// A leaf is proven to be in a tree of two; six sites leave 29 bits for a value.
#include <iostream>

#include "crypto/tree.h"
#include "ledger_anchor/merkle.h"
#include "privacy/round_config.h"

int main() {
  using namespace hilum;
  const Digest leaf = crypto::LeafHash(AsBytes("entry"));
  const Digest other = crypto::LeafHash(AsBytes("other"));
  const ledger_anchor::HashList proof{other}, wrong{leaf};
  const ledger_anchor::InclusionClaim claim{
      .index = 0, .size = 2, .leaf_hash = leaf, .root = crypto::NodeHash(leaf, other)};
  const absl::Status proven = ledger_anchor::VerifyInclusion(claim, proof);
  const absl::Status refused = ledger_anchor::VerifyInclusion(claim, wrong);
  std::cout << proven.ok() << refused.ok() << " " << privacy::MaxValueBits(32, 6) << std::endl;
}
"""


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-3000:])
        sys.exit(f"install_test: {command[0]} {command[1]} failed")
    return done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hilum-install-") as folder:
        prefix, source, build = (Path(folder) / name for name in ("prefix", "source", "build"))
        run("cmake", "--install", options.build, "--component", "sdk", "--prefix", prefix)
        source.mkdir()
        (source / "CMakeLists.txt").write_text(CMAKE_LISTS, encoding="utf-8")
        (source / "main.cc").write_text(MAIN, encoding="utf-8")
        run("cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", build)
        printed = run(build / "consumer", "")
    if printed != "10 29\n":
        sys.exit(f"install_test: the program printed {printed!r}, expected '10 29'")
    print("install_test: a program of somebody else builds, links and runs")


if __name__ == "__main__":
    main()
