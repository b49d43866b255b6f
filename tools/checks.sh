# shellcheck shell=bash
# Part of ./dev: the long checks.

FUZZ_SECONDS=${HILUM_FUZZ_SECONDS:-60} # for each target

# Third-party frames only may be named in these files (docs/decisions).
sanitizer_options() {
  export ASAN_OPTIONS="detect_stack_use_after_return=1:suppressions=$ROOT/tests/asan.supp"
  export LSAN_OPTIONS="suppressions=$ROOT/tests/lsan.supp:print_suppressions=0"
  export UBSAN_OPTIONS="print_stacktrace=1"
  # What a library that is not built for ThreadSanitizer does with memory is not judged: how it
  # orders that is invisible.
  export TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp:halt_on_error=1"
  TSAN_OPTIONS+=":ignore_noninstrumented_modules=1"
}

check_sanitizer() { # asan or tsan
  setup test
  build "$1"
  sanitizer_options
  say "testing under $1"
  run_ctest "build/$1" -LE "tools|system"
}

check_fuzz() {
  local program name corpus
  setup check
  build fuzz
  sanitizer_options
  for program in build/fuzz/fuzz/fuzz_*; do
    name=${program##*/fuzz_}
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus" build/fuzz/crashes
    say "fuzzing $name for $FUZZ_SECONDS s"
    "$program" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
      -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" "$corpus" \
      "tests/fuzz/corpus/$name" 2>"build/fuzz/$name.log" ||
      { tail -30 "build/fuzz/$name.log" >&2; fail "fuzzing $name found a fault; see above"; }
    awk '/stat::number_of_executed_units/ { print "   " $2 " inputs" }' "build/fuzz/$name.log"
  done
}

# Runs that kill the server in each round must end with the same model as one without. Then masked
# rounds in which the server, and a site, die at every point of their writes and sends: hours.
check_kill() {
  setup
  build release programs client_crash_walk_test
  python3 tools/kill_walk.py --bin build/release/bin
  HILUM_WALK=all build/release/tests/client_crash_walk_test --gtest_filter='CrashWalk.*'
}

# Many rounds: memory and files of server and sites must not grow with them.
check_soak() {
  setup
  build release programs
  python3 tools/soak.py --bin build/release/bin
}

# The kernels as another compiler makes them must give the same bits under every instruction set.
check_fingerprints() {
  setup check
  build release kernel_fingerprints
  run_ctest build/release -R '^kernel_fingerprints'
}

# docs/pytorch with PyTorch itself: some gigabytes from the Python package index, so only by name.
check_pytorch() {
  local stamp=$DEPS/pytorch/packages packages
  setup
  build release hilum-model
  packages=$(python_oracles pytorch | tr '\n' ' ')
  if [ "$(cat "$stamp" 2>/dev/null)" != "$packages" ]; then
    say "installing $packages(some gigabytes)"
    rm -rf "$DEPS/pytorch"
    python3 -m venv "$DEPS/pytorch" || fail "python3 -m venv failed: is python3-venv installed?"
    # shellcheck disable=SC2086  # one word a package
    "$DEPS/pytorch/bin/pip" install -q --disable-pip-version-check $packages ||
      fail "pip could not install PyTorch; its reason stands above"
    echo "$packages" >"$stamp"
  fi
  "$DEPS/pytorch/bin/python" tests/models/pytorch_test.py --bin build/release/bin
}

# Mistyped arguments are refused at once, not when all is set up.
check_mutants_arguments() { # [--part I/N] [REGEX]
  ! command -v python3 >/dev/null ||
    PYTHONPATH=$ROOT/tools python3 -c 'import mutants, sys; mutants.parse_arguments(sys.argv[1:])' \
      "$@" || exit 2
}

check_mutants() { # [--part I/N] [REGEX]
  setup test
  python3 tools/mutants.py --jobs "$(jobs_of_a_build)" "$@"
}

check() { # [NAME...] [mutants [ARGUMENTS]]
  local name names=() failed=""
  while [ $# -gt 0 ]; do
    case $1 in
      asan | tsan | fuzz | fingerprints | soak | kill | pytorch) names+=("$1") ;;
      all) names+=(asan tsan fuzz fingerprints soak kill mutants) ;;
      mutants) # takes what follows
        names+=(mutants)
        shift
        check_mutants_arguments "$@"
        break
        ;;
      *) usage_error "check knows no $1" ;;
    esac
    shift
  done
  [ ${#names[@]} -gt 0 ] || names=(asan tsan fuzz fingerprints soak kill mutants)
  if [ ${#names[@]} = 1 ]; then
    case ${names[0]} in
      asan | tsan) check_sanitizer "${names[0]}" ;;
      *) "check_${names[0]}" "$@" ;;
    esac
    return
  fi
  for name in "${names[@]}"; do
    if [ "$name" = mutants ]; then
      ("$ROOT/dev" check mutants "$@") || failed+=" $name"
    else
      ("$ROOT/dev" check "$name") || failed+=" $name"
    fi
  done
  [ -z "$failed" ] || fail "these checks failed:$failed"
}
