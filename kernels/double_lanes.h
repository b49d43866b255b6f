// Eight neighbouring coordinates in double: on the CPU vectors, on the GPU eight threads with one
// each. Only for sums of products of two floats: these are exact in double, so it does not matter
// which of the targets fuses the multiplication with the addition.
#ifndef HILUM_KERNELS_DOUBLE_LANES_H_
#define HILUM_KERNELS_DOUBLE_LANES_H_

#include <cstdint>

#include "kernels/exec.h"
#if !defined(__CUDACC__)
#include "kernels/intrinsics.h"
#endif

namespace hilum::kernels {

inline constexpr int kDoubleLanes = 8;

#if defined(__CUDACC__)

// The lane of one thread.
template <class Block>
struct DoubleLanesOf {
  double value = 0.0;
  HILUM_KERNEL void Load(const float* from, int lane) { value = from[lane]; }
  // Lanes from `left` on are 0.
  HILUM_KERNEL void LoadPart(const float* from, int lane, int64_t left) {
    value = lane < left ? from[lane] : 0.0f;
  }
  HILUM_KERNEL void AddProduct(const DoubleLanesOf& x, const DoubleLanesOf& y) {
    value = fma(x.value, y.value, value);
  }
  HILUM_KERNEL void Store(double* to, int lane) const { to[lane] = value; }
};

#else

template <Isa kIsa>
struct DoubleLanes {
  double value[kDoubleLanes] = {};
  void Load(const float* from, int) {
    for (int i = 0; i < kDoubleLanes; ++i) value[i] = from[i];
  }
  void AddProduct(const DoubleLanes& x, const DoubleLanes& y) {
    for (int i = 0; i < kDoubleLanes; ++i) value[i] += x.value[i] * y.value[i];
  }
  void Store(double* to, int) const {
    for (int i = 0; i < kDoubleLanes; ++i) to[i] = value[i];
  }
};

#if defined(__x86_64__)
template <>
struct DoubleLanes<Isa::kAvx2> {
  __m256d low = {}, high = {};
  __attribute__((target("avx2,fma"))) void Load(const float* from, int) {
    low = _mm256_cvtps_pd(_mm_loadu_ps(from));
    high = _mm256_cvtps_pd(_mm_loadu_ps(from + 4));
  }
  __attribute__((target("avx2,fma"))) void AddProduct(const DoubleLanes& x, const DoubleLanes& y) {
    low = _mm256_fmadd_pd(x.low, y.low, low);
    high = _mm256_fmadd_pd(x.high, y.high, high);
  }
  __attribute__((target("avx2,fma"))) void Store(double* to, int) const {
    _mm256_storeu_pd(to, low);
    _mm256_storeu_pd(to + 4, high);
  }
};

template <>
struct DoubleLanes<Isa::kAvx512> {
  __m512d all = {};
  __attribute__((target("avx512f"))) void Load(const float* from, int) {
    all = _mm512_cvtps_pd(_mm256_loadu_ps(from));
  }
  __attribute__((target("avx512f"))) void AddProduct(const DoubleLanes& x, const DoubleLanes& y) {
    all = _mm512_fmadd_pd(x.all, y.all, all);
  }
  __attribute__((target("avx512f"))) void Store(double* to, int) const {
    _mm512_storeu_pd(to, all);
  }
};
#endif

template <class Block>
struct DoubleLanesOf : DoubleLanes<Block::kIsa> {
  // Lanes from `left` on are 0.
  void LoadPart(const float* from, int lane, int64_t left) {
    float part[kDoubleLanes] = {};
    for (int i = 0; i < kDoubleLanes && i < left; ++i) part[i] = from[i];
    this->Load(part, lane);
  }
};

#endif

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DOUBLE_LANES_H_
