# shellcheck shell=bash
# Part of ./dev: measurements, and comparisons with others and with an earlier commit.

# Each script of bench/peers/ compares one thing with its peers and writes a JSON list of rows
# {"name","peer","ours_s","peer_s","ratio","bound_s","percent_of_bound","runs",...}; a row's name is
# matched with FILTER.
bench_peers() { # FILTER JSON MATCHED
  local script out=build/bench/peers filter=$1
  [ "$filter" != . ] || filter=""
  setup_peers
  setup_oracles
  rm -rf "$out"
  mkdir -p "$out"
  for script in bench/peers/*_peer.py; do
    say "${script##*/}"
    "$DEPS/venv/bin/python" "$script" --bin build/release --peers "$DEPS/peers" \
      --filter "$filter" --out "$out/$(basename "$script" .py).json" || fail "$script failed"
  done
  python3 -c 'import json, sys
print(json.dumps([row for f in sys.argv[1:] for row in json.load(open(f))], indent=1))' \
    "$out"/*_peer.json >"$out/all.json"
  grep -q '"name"' "$out/all.json" || [ "$3" = 1 ] || no_benchmark "$1"
  python3 bench/peers/report.py "$out/all.json" --csv "$out/all.csv" --plot "$out/all.svg"
  [ -z "$2" ] || cp "$out/all.json" "$2"
}

no_benchmark() { # FILTER
  usage_error "no benchmark matches $1; build/release/bench/*_bench --benchmark_list_tests has all"
}

# The Google Benchmark programs that have what matches; each writes build/bench/NAME_bench.json and
# a .csv beside it. Status 1: none has.
bench_programs() { # FILTER
  local program matched=1
  mkdir -p build/bench
  for program in build/release/bench/*_bench; do
    [ -n "$("$program" --benchmark_list_tests --benchmark_filter="$1" 2>/dev/null)" ] || continue
    matched=0
    say "${program##*/}"
    "$program" --benchmark_filter="$1" --benchmark_out_format=json \
      --benchmark_out="build/bench/${program##*/}.json" || fail "${program##*/} failed"
    python3 bench/write_csv.py "build/bench/${program##*/}.json"
  done
  return $matched
}

# The program that wrote OLD runs again, and the benchmark library's own tool says what differs,
# with a U test of the repetitions.
bench_compare() { # OLD FILTER
  local name repetitions new
  [ -r "$1" ] || fail "there is no file $1: give a JSON file of build/bench"
  read -r name repetitions < <(python3 -c 'import json, os, sys
old = json.load(open(sys.argv[1]))
print(os.path.basename(old["context"]["executable"]), max(
    [row.get("repetitions", 1) for row in old["benchmarks"]], default=1))' "$1") ||
    fail "$1 is not the JSON of a benchmark program"
  [ -x "build/release/bench/$name" ] || fail "there is no program $name; $1 names it"
  setup_packages build bench
  setup_peers compare
  new=build/bench/compare-$name.json
  say "$name, $repetitions repetitions"
  "build/release/bench/$name" --benchmark_filter="$2" --benchmark_repetitions="$repetitions" \
    --benchmark_out_format=json --benchmark_out="$new" >/dev/null || fail "$name failed"
  python3 bench/write_csv.py "$new"
  "$DEPS/peers/compare/bin/python" /usr/share/benchmark/compare.py benchmarks "$1" "$new" ||
    fail "compare.py failed"
}

bench() { # [FILTER] [--peers] [--json FILE] [--compare OLD] | secagg500 [ARGUMENTS]
  if [ "${1:-}" = secagg500 ]; then
    setup
    build release secagg500
    exec build/release/bench/secagg500 "${@:2}"
  fi
  local filter=. peers=0 json="" old="" matched=1
  while [ $# -gt 0 ]; do
    case $1 in
      --peers) peers=1 ;;
      --json | --compare)
        [ $# -gt 1 ] || usage_error "$1 needs a file"
        if [ "$1" = --json ]; then json=$2; else old=$2; fi
        shift
        ;;
      -*) usage_error "bench knows no $1" ;;
      *) filter=$1 ;;
    esac
    shift
  done
  [ -z "$json" ] || [ $peers = 1 ] || usage_error "--json gathers what --peers measures"
  setup
  build release
  if [ -n "$old" ]; then
    bench_compare "$old" "$filter"
  elif [ "$filter" = demo ]; then
    exec python3 "$ROOT/demo/bench_demo.py"
  else
    bench_programs "$filter" || matched=0
    [ $matched$peers != 00 ] || no_benchmark "$filter"
    [ $peers = 0 ] || bench_peers "$filter" "$json" $matched
  fi
}
