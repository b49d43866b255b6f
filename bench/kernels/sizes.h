// The vector lengths that every kernel is timed at.
#ifndef HILUM_BENCH_KERNELS_SIZES_H_
#define HILUM_BENCH_KERNELS_SIZES_H_

#include <benchmark/benchmark.h>

namespace hilum::bench {

// One chunk of the wire (in cache), then a model of 25 million parameters (beyond the caches).
inline void VectorSizes(benchmark::internal::Benchmark* bench) {
  bench->Arg(1 << 18)->Arg(25'000'000)->UseRealTime();
}

}  // namespace hilum::bench

#endif  // HILUM_BENCH_KERNELS_SIZES_H_
