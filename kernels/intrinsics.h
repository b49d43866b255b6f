// The vector instructions of x86-64, for functions that name them in a target attribute.
#ifndef HILUM_KERNELS_INTRINSICS_H_
#define HILUM_KERNELS_INTRINSICS_H_

#if defined(__x86_64__)
// g++ 12 takes the deliberately undefined vectors of its own AVX-512 header for a mistake.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <cpuid.h>
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

#endif  // HILUM_KERNELS_INTRINSICS_H_
