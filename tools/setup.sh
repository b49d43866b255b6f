# shellcheck shell=bash
# Part of ./dev: installs what tools/dependencies.txt lists. ROOT, DEPS, say and fail are ./dev's.

dependencies() { # KIND SECOND: the rest of the lines that start with both
  awk -v kind="$1" -v second="$2" '$1 == kind && $2 == second {
    $1 = ""; $2 = ""; print }' "$ROOT/tools/dependencies.txt"
}

missing_packages() { # KIND...: Debian packages that are not installed, one a line
  local kind
  command -v dpkg-query >/dev/null || return 0
  for kind in "$@"; do
    # dpkg-query fails when it does not know one of them.
    # shellcheck disable=SC2046  # one word a package
    { dpkg-query -W -f '${Package} ${db:Status-Status}\n' $(dependencies apt "$kind") 2>/dev/null ||
      true; } |
      awk '$2 == "installed" { print $1 }' | sort -u |
      comm -13 - <(dependencies apt "$kind" | tr -s ' ' '\n' | sed '/^$/d' | sort -u)
  done
}

setup_packages() { # KIND...
  local packages sudo=""
  packages=$(missing_packages "$@")
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null ||
    fail "this system has no apt-get: install the packages of tools/dependencies.txt by hand"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "apt-get needs root: run ./dev setup as root once"
    sudo=sudo
  fi
  say "installing $(wc -w <<<"$packages") packages by apt"
  $sudo apt-get update -qq || fail "apt-get update failed; its reason stands above"
  # shellcheck disable=SC2086  # one word a package
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    $packages >"$DEPS/apt.log" 2>&1 ||
    { tail -5 "$DEPS/apt.log" >&2; fail "apt-get install failed; see $DEPS/apt.log"; }
}

setup_venv() {
  [ -x "$DEPS/venv/bin/pip" ] && return 0
  say "making a virtual environment in .deps/venv"
  rm -rf "$DEPS/venv"
  python3 -m venv "$DEPS/venv" || fail "python3 -m venv failed: is python3-venv installed?"
}

# Downloads one wheel, checks it and prints where it lies. A download that broke off starts anew;
# wheels that arrived whole are not fetched again.
fetch_wheel() { # NAME VERSION SHA256
  local name=$1 version=$2 sha256=$3 part=$DEPS/wheels/$1.part file
  file=$(find "$DEPS/wheels" -maxdepth 1 -name "${name//-/_}-$version-*.whl" -print -quit)
  if [ -z "$file" ]; then
    say "downloading $name $version"
    rm -rf "$part"
    "$DEPS/venv/bin/pip" download -q --no-deps --only-binary=:all: --python-version 3.11 \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
      --platform manylinux2014_x86_64 -d "$part" "$name==$version" >&2 ||
      fail "downloading $name $version failed: run ./dev setup again, or set LIBTORCH to a folder"
    file=$(find "$part" -name '*.whl' -print -quit)
    sha256sum --status -c <<<"$sha256  $file" ||
      fail "$name $version has another SHA-256 than tools/dependencies.txt: do not use it"
    mv "$file" "$DEPS/wheels/"
    rm -rf "$part"
    file=$DEPS/wheels/${file##*/}
  fi
  echo "$file"
}

libtorch_stamp() { # "cpu" or "cuda": what .deps/libtorch/stamp holds when it is complete
  { echo "$1"; dependencies wheel cpu; } | sha256sum
}

setup_libtorch() { # "cpu" or "cuda"
  local stamp=$DEPS/libtorch/stamp name version sha256 file wheels=()
  [ -z "${LIBTORCH:-}" ] || return 0
  [ "$(cat "$stamp" 2>/dev/null)" = "$(libtorch_stamp "$1")" ] && return 0
  [ "$1" = cpu ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(libtorch_stamp cuda)" ] && return 0
  setup_venv
  mkdir -p "$DEPS/wheels"
  while read -r name version sha256; do
    file=$(fetch_wheel "$name" "$version" "$sha256") || exit 1
    wheels+=("$file")
  done < <(dependencies wheel cpu)
  say "unpacking LibTorch into .deps/libtorch"
  rm -rf "$DEPS/libtorch.part"
  local options=()
  [ "$1" = cpu ] || options=(--cuda)
  python3 "$ROOT/tools/unpack_libtorch.py" "${options[@]}" "$DEPS/libtorch.part" \
    "${wheels[@]}" || fail "unpacking LibTorch failed: is the disk full?"
  libtorch_stamp "$1" >"$DEPS/libtorch.part/stamp"
  rm -rf "$DEPS/libtorch"
  mv "$DEPS/libtorch.part" "$DEPS/libtorch"
  rm -rf "$DEPS/wheels"
}

python_oracles() { # KIND...: python, newer
  local kind
  for kind in "$@"; do
    awk -v kind="$kind" '$1 == kind { print $2 }' "$ROOT/tools/dependencies.txt"
  done
}

setup_oracles() { # what tests compare with, never needed to run Hilum
  local stamp=$DEPS/venv/oracles pip="$DEPS/venv/bin/pip install -q --disable-pip-version-check"
  [ "$(cat "$stamp" 2>/dev/null)" = "$(python_oracles python newer)" ] && return 0
  setup_venv
  say "installing test oracles: $(python_oracles python newer | tr '\n' ' ')"
  # shellcheck disable=SC2086  # a command and its options
  { python_oracles python | $pip -r /dev/stdin &&
    python_oracles newer | $pip --no-deps --ignore-requires-python -r /dev/stdin; } ||
    fail "pip could not install the test oracles; its reason stands above"
  python_oracles python newer >"$stamp"
}

# Each peer in an environment of its own: their dependencies exclude each other.
setup_peers() { # [NAME]: one, or all
  local name packages stamp
  setup_venv
  while read -r name packages; do
    [ "${1:-$name}" = "$name" ] || continue
    stamp=$DEPS/peers/$name/packages
    [ "$(cat "$stamp" 2>/dev/null)" = "$packages" ] && continue
    say "installing the peer $name: $packages"
    rm -rf "$DEPS/peers/$name"
    python3 -m venv "$DEPS/peers/$name" || fail "python3 -m venv failed: is python3-venv installed?"
    # shellcheck disable=SC2086  # one word a package
    "$DEPS/peers/$name/bin/pip" install -q --disable-pip-version-check $packages ||
      fail "pip could not install $name; its reason stands above"
    echo "$packages" >"$stamp"
  done < <(awk '$1 == "peer" { $1 = ""; sub(/^ +/, ""); print }' "$ROOT/tools/dependencies.txt")
}

doctor() { # changes nothing; 1 when something is missing
  local kind packages missing=0 else=""
  for kind in build test check; do
    packages=$(missing_packages "$kind" | tr '\n' ' ')
    if [ -n "$packages" ]; then
      missing=1
      echo "missing packages ($kind): $packages"
      echo "  get them with: ./dev setup $([ "$kind" = build ] || echo "$kind")"
    fi
  done
  if [ -n "${LIBTORCH:-}" ]; then
    [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] ||
      { missing=1; echo "LIBTORCH is $LIBTORCH, but there is no lib/libtorch_cpu.so"; }
  elif [ ! -e "$DEPS/libtorch/lib/libtorch_cpu.so" ]; then
    missing=1
    echo "missing: LibTorch in .deps/libtorch"
    echo "  get it with: ./dev setup (530 MB), or set LIBTORCH to a folder with include/ and lib/"
  fi
  if [ "$(cat "$DEPS/venv/oracles" 2>/dev/null)" != "$(python_oracles python newer)" ]; then
    else="else "
    echo "missing until ./dev test gets them: what tests compare with, in .deps/venv"
  fi
  echo "cores $(nproc), jobs of a build $(jobs_of_a_build), memory $(memory_mb) MB free, disk" \
    "$(df -BG --output=avail "$ROOT" | tail -1 | tr -d ' ') free"
  command -v nvcc >/dev/null || echo "no nvcc: the cuda preset cannot be built here"
  [ $missing = 0 ] && echo "nothing ${else}is missing"
  return $missing
}
