# shellcheck shell=bash
# Part of ./dev: what `./dev help` and `./dev VERB --help` print.

help() {
  cat <<'TEXT'
Usage: ./dev VERB [ARGUMENTS...]

  demo [--rounds N] [--seed N] [--dir D] [--keep] [--kill-server ROUND] [--json]
                     runs a whole federation on real chest X-rays on this computer
  test [-R REGEX]    runs every test; `-R cuda` builds and runs the GPU kernels' tests alone
  check [asan|tsan|fuzz|fingerprints|soak|kill|mutants|pytorch]...
                     the long checks; all of them without an argument
  setup [test|check|cuda]
                     installs what a build needs (and what tests, checks, CUDA need)
  build [PRESET]     release (default), dev, asan, tsan, fuzz or cuda, into build/PRESET
  bench [FILTER] [--peers] [--json FILE] [--compare OLD.json]
                     measures; `bench demo` runs the demo with three seeds
  doctor             says what is missing here and how to get it
  help [VERB]        prints this, or what a verb takes, as `./dev VERB --help` does

Research use only. Not a medical device; not for diagnosis.
TEXT
}

no_verb() { # WORD
  VERB="" usage_error "there is no verb $1"
}

help_of() { # [VERB]
  case $1 in
    "" | help | -h | --help) help ;;
    demo) exec python3 "$ROOT/demo/run.py" --help ;;
    test | check | setup | build | bench | doctor) "help_$1" ;;
    *) no_verb "$1" ;;
  esac
}

help_test() {
  cat <<'TEXT'
Usage: ./dev test [-R REGEX] [CTEST OPTIONS...]

Sets up what is missing, builds the preset release, runs every test with ctest, the fuzz corpora
among them, and lists every test that was skipped. Results: build/release/tests.xml.

  -R REGEX   only tests whose name fits, for example `-R cli/`
  -R cuda    builds the kernels with CUDA in build/cuda-kernels and runs their tests: for a bare GPU
             computer, without set-up
  others     go to ctest, for example -LE system
TEXT
}

help_check() {
  cat <<'TEXT'
Usage: ./dev check [asan|tsan|fuzz|fingerprints|soak|kill|pytorch]... [mutants [--part I/N] [REGEX]]

The long checks: those that are named, without an argument all but pytorch, one after the other.

  asan      the tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the tests under ThreadSanitizer
  fuzz      each fuzz target for 60 s, or HILUM_FUZZ_SECONDS
  soak      many rounds: memory and files of server and sites must not grow with them
  kill      kills the server in each round; the model must be the same as without. Then kills server
            and site at every write and send of a masked round, which must end soundly. Hours.
  fingerprints
            builds the kernels with clang; same bits as with g++, for each instruction set.
  pytorch   loads our models with docs/pytorch into PyTorch, which it downloads (some gigabytes),
            and compares the logits
  mutants   takes each countermeasure of tests/mutants.d away; its test must fail then. Hours;
            --part 1/4 does the first quarter.
            REGEX: only those whose test's name fits
TEXT
}

help_setup() {
  cat <<'TEXT'
Usage: ./dev setup [test] [check] [cuda]

Installs what a build needs: packages by apt (as root, or with sudo) and LibTorch into .deps/. What
is there is not touched; set LIBTORCH to a folder with include/ and lib/ to use your own LibTorch.

  test    also what tests compare with, in .deps/venv
  check   also what sanitizers and fuzzing need
  cuda    LibTorch with CUDA
TEXT
}

help_build() {
  cat <<'TEXT'
Usage: ./dev build [PRESET [TARGET...]]

Sets up what is missing and builds; programs lie in build/PRESET/bin then.

  release   (default) what people run
  dev       with debug information and all assertions
  asan, tsan, fuzz
            for ./dev check
  cuda      release with CUDA kernels; needs nvcc
TEXT
}

help_bench() {
  cat <<'TEXT'
Usage: ./dev bench [FILTER] [--peers] [--json FILE]
       ./dev bench [FILTER] --compare OLD.json
       ./dev bench demo
       ./dev bench secagg500 [--sites N] [--params P] [--dir DIR]

Builds and measures. Each program's figures: build/bench/NAME.json and NAME.csv. Warns where the
load of the computer was above 0.5.

  FILTER        a regular expression; only measurements whose name fits
  --peers       then compares with other software (bench/peers), on the same inputs: a table, and
                build/bench/peers/all.json, all.csv and all.svg
  --json FILE   copies the comparisons of --peers to FILE
  --compare OLD.json
                runs the program that wrote OLD.json again and says what differs
  demo          runs the demo under three seeds and says what the federation gains
  secagg500     a masked round of 500 sites and 10 M parameters in one process, a fifth of the sites
                drops out; 17 GB in DIR and 19 GB of memory, less with fewer sites or parameters
TEXT
}

help_doctor() {
  cat <<'TEXT'
Usage: ./dev doctor

Says what is missing on this computer and how to get it, and changes nothing. Exit code 1 when
something that a build, a test or a check needs is missing.
TEXT
}
