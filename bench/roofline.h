// States a bench's work, and how near it comes to what the computer's memory can carry.
#ifndef HILUM_BENCH_ROOFLINE_H_
#define HILUM_BENCH_ROOFLINE_H_

#include <benchmark/benchmark.h>

namespace hilum::bench {

// Memory bandwidth on all cores that kernels may use, in bytes a second, measured once in this run
// over arrays of four times the last-level cache, best of several passes. Bytes are counted as
// STREAM does: what the program names, not what a cache fetches beside it.
struct MemoryBound {
  double read;    // sum of one array
  double copy;    // b = a; the better of plain and streaming stores
  double triad;   // c = a + 3 * b; likewise
  double update;  // a = 3 * a, in place
};
const MemoryBound& MeasuredBound();

// The traffic of a bench: which of the bounds is its roof.
enum class Traffic { kRead, kCopy, kTriad, kUpdate };

struct Work {
  double bytes;  // read and written in one iteration
  double ops;    // arithmetic operations in one iteration
  Traffic traffic = Traffic::kTriad;
};

// Adds the columns GB/s, Gop/s, bound_GB/s and percent_of_bound to the bench's line. A working set
// that fits a cache may pass 100 percent. Call after the loop. Use UseRealTime(): the work is done
// by several threads.
void ReportRoofline(benchmark::State& state, const Work& work);

// The main of a bench program: measures the bounds and prints them, the instructions and the number
// of threads before the benches. Returns the exit code.
int RunBenches(int argc, char** argv);

}  // namespace hilum::bench

#endif  // HILUM_BENCH_ROOFLINE_H_
