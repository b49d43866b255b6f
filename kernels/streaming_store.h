// How a block program stores the results of its threads. exec.h comes before it.
//
// A plain store fetches the cache line that it then overwrites. For a result that no cache would
// keep until somebody reads it, streaming stores save that read: one of N + 2 parts of the traffic
// of a sum over N sites. A GPU has no such fetch.
#ifndef HILUM_KERNELS_STREAMING_STORE_H_
#define HILUM_KERNELS_STREAMING_STORE_H_

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "kernels/exec.h"
#if !defined(__CUDACC__)
#include "kernels/intrinsics.h"
#endif

namespace hilum::kernels {

// to[t] = values[t] for each thread t < n of the block; n may exceed its threads or be negative.
// With `streaming`, call FinishStores once after the block's last.
template <class Block, class Values>
HILUM_KERNEL void StoreValues(const Block& block, Values& values, int64_t n, float* to,
                              bool streaming) {
#if defined(__x86_64__) && !defined(__CUDACC__)
  if (streaming) {
    const int64_t count = std::min<int64_t>(n, std::ssize(values.value));
    int64_t t = 0;
    for (; t < count && reinterpret_cast<uintptr_t>(to + t) % 16 != 0; ++t) {
      to[t] = values.value[static_cast<size_t>(t)];
    }
    for (; t + 4 <= count; t += 4) {
      _mm_stream_ps(to + t, _mm_loadu_ps(values.value.data() + t));
    }
    for (; t < count; ++t) to[t] = values.value[static_cast<size_t>(t)];
    return;
  }
#endif
  (void)streaming;
  block.Local(n, [&](int t) { to[t] = values[t]; });
}

// Orders streaming stores before what another thread is told next.
HILUM_KERNEL void FinishStores(bool streaming) {
#if defined(__x86_64__) && !defined(__CUDACC__)
  if (streaming) _mm_sfence();
#endif
  (void)streaming;
}

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_STREAMING_STORE_H_
