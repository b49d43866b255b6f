#!/usr/bin/env bash
# Fails when a tracked C++ or CUDA file is not as clang-format 14 writes it; --fix writes it so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v clang-format >/dev/null || {
  echo "format: clang-format is missing; ./dev setup test installs it" >&2
  exit 1
}
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
git -c safe.directory="$PWD" ls-files -z -- '*.h' '*.cc' '*.cu' '*.cuh' |
  xargs -0 -r -n 8 clang-format "${mode[@]}"
