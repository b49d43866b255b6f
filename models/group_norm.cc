#include "models/group_norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// One source for several instruction sets, chosen when the program starts. Nothing is reordered or
// fused, so all of them give the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(HILUM_SANITIZED)
#define HILUM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HILUM_CLONES
#endif
#define HILUM_INLINE inline __attribute__((always_inline))

namespace hilum::models {
namespace {

constexpr int64_t kBlock = 64;  // pixels that are summed in float before a double takes over

// `Width` channels of one pixel.
template <int Width>
struct Channels {
  typedef float Values __attribute__((vector_size(4 * Width)));
  typedef int Mask __attribute__((vector_size(4 * Width)));
};
template <int Width>
HILUM_INLINE void Read(const float* from, typename Channels<Width>::Values& values) {
  std::memcpy(&values, from, sizeof values);
}
template <int Width>
HILUM_INLINE void Write(const typename Channels<Width>::Values& values, float* to) {
  std::memcpy(to, &values, sizeof values);
}

// Adds, for `Width` channels from `at`, the sums over all pixels of two terms.
template <int Width, class Terms>
HILUM_INLINE void SumTile(const Terms& terms, int64_t pixels, int at, double* first,
                          double* second) {
  typename Channels<Width>::Values u[2], v[2];
  for (int64_t start = 0; start < pixels; start += kBlock) {
    const int64_t end = std::min(pixels, start + kBlock);
    u[0] = u[1] = v[0] = v[1] = typename Channels<Width>::Values{};
    int64_t p = start;
    for (; p + 1 < end; p += 2) {  // two chains of additions hide each other's latency
      terms.template Add<Width>(p, at, u[0], v[0]);
      terms.template Add<Width>(p + 1, at, u[1], v[1]);
    }
    if (p < end) terms.template Add<Width>(p, at, u[0], v[0]);
    u[0] += u[1];
    v[0] += v[1];
    for (int c = 0; c < Width; ++c) {
      first[at + c] += u[0][c];
      second[at + c] += v[0][c];
    }
  }
}

template <class Terms>
HILUM_INLINE void SumColumns(const Terms& terms, const NormShape& shape, double* first,
                             double* second) {
  std::fill_n(first, shape.channels, 0.0);
  std::fill_n(second, shape.channels, 0.0);
  int at = 0;
  for (; at + 16 <= shape.channels; at += 16) {
    SumTile<16>(terms, shape.pixels, at, first, second);
  }
  if (at < shape.channels) SumTile<8>(terms, shape.pixels, at, first, second);
}

// x and x^2.
struct MomentTerms {
  const float* x;
  int64_t channels;
  template <int Width>
  HILUM_INLINE void Add(int64_t pixel, int at, typename Channels<Width>::Values& u,
                        typename Channels<Width>::Values& v) const {
    typename Channels<Width>::Values value;
    Read<Width>(x + pixel * channels + at, value);
    u += value;
    v += value * value;
  }
};

// The gradient behind the ReLU: dy where x * scale + shift > 0, else 0.
template <int Width>
HILUM_INLINE void MaskedGradient(const float* x, const float* dy, const float* scale,
                                 const float* shift, bool relu,
                                 typename Channels<Width>::Values& value,
                                 typename Channels<Width>::Values& gradient) {
  typename Channels<Width>::Values a, b;
  Read<Width>(x, value);
  Read<Width>(dy, gradient);
  if (!relu) return;
  Read<Width>(scale, a);
  Read<Width>(shift, b);
  const typename Channels<Width>::Mask cut = value * a + b <= 0.0f;  // NaN goes on
  gradient = reinterpret_cast<typename Channels<Width>::Values>(
      reinterpret_cast<typename Channels<Width>::Mask>(gradient) & ~cut);
}

// dy and dy * x.
struct GradientTerms {
  const float *x, *dy, *scale, *shift;
  int64_t channels;
  bool relu;
  template <int Width>
  HILUM_INLINE void Add(int64_t pixel, int at, typename Channels<Width>::Values& u,
                        typename Channels<Width>::Values& v) const {
    typename Channels<Width>::Values value, gradient;
    const int64_t from = pixel * channels + at;
    MaskedGradient<Width>(x + from, dy + from, scale + at, shift + at, relu, value, gradient);
    u += gradient;
    v += gradient * value;
  }
};

template <int Width>
HILUM_INLINE void ScaleTile(const NormShape& shape, const float* x, const float* scale,
                            const float* shift, int at, int64_t pixel, float* y) {
  typename Channels<Width>::Values value, a, b;
  const int64_t from = pixel * shape.channels + at;
  Read<Width>(x + from, value);
  Read<Width>(scale + at, a);
  Read<Width>(shift + at, b);
  value = value * a + b;
  if (shape.relu) {
    const typename Channels<Width>::Mask cut = value <= 0.0f;  // NaN goes on
    value = reinterpret_cast<typename Channels<Width>::Values>(
        reinterpret_cast<typename Channels<Width>::Mask>(value) & ~cut);
  }
  Write<Width>(value, y + from);
}

// dx = gradient * scale + x * slope + level.
template <int Width>
HILUM_INLINE void BackTile(const NormShape& shape, const float* x, const float* dy,
                           const NormStatistics& statistics, const float* slope, const float* level,
                           int at, int64_t pixel, float* dx) {
  typename Channels<Width>::Values value, gradient, a, b, c;
  const int64_t from = pixel * shape.channels + at;
  MaskedGradient<Width>(x + from, dy + from, statistics.scale + at, statistics.shift + at,
                        shape.relu, value, gradient);
  Read<Width>(statistics.scale + at, a);
  Read<Width>(slope + at, b);
  Read<Width>(level + at, c);
  Write<Width>(gradient * a + (value * b + c), dx + from);
}

HILUM_CLONES void Moments(const NormShape& shape, const float* x, double* sum, double* squares) {
  SumColumns(MomentTerms{x, shape.channels}, shape, sum, squares);
}

HILUM_CLONES void GradientSums(const NormShape& shape, const float* x, const float* dy,
                               const float* scale, const float* shift, double* sum,
                               double* product) {
  SumColumns(GradientTerms{x, dy, scale, shift, shape.channels, shape.relu}, shape, sum, product);
}

HILUM_CLONES void Scale(const NormShape& shape, const float* x, const float* scale,
                        const float* shift, float* y) {
  for (int64_t pixel = 0; pixel < shape.pixels; ++pixel) {
    int at = 0;
    for (; at + 16 <= shape.channels; at += 16) ScaleTile<16>(shape, x, scale, shift, at, pixel, y);
    if (at < shape.channels) ScaleTile<8>(shape, x, scale, shift, at, pixel, y);
  }
}

HILUM_CLONES void Back(const NormShape& shape, const float* x, const float* dy,
                       const NormStatistics& statistics, const float* slope, const float* level,
                       float* dx) {
  for (int64_t pixel = 0; pixel < shape.pixels; ++pixel) {
    int at = 0;
    for (; at + 16 <= shape.channels; at += 16) {
      BackTile<16>(shape, x, dy, statistics, slope, level, at, pixel, dx);
    }
    if (at < shape.channels) {
      BackTile<8>(shape, x, dy, statistics, slope, level, at, pixel, dx);
    }
  }
}

}  // namespace

void GroupNormForward(const NormShape& shape, const float* x, const float* gamma, const float* beta,
                      float epsilon, const NormStatistics& statistics, float* y) {
  std::vector<double> sum(shape.channels), squares(shape.channels);
  Moments(shape, x, sum.data(), squares.data());
  const int per_group = shape.channels / shape.groups;
  const double count = static_cast<double>(shape.pixels) * per_group;
  for (int group = 0; group < shape.groups; ++group) {
    double total = 0, total_squares = 0;
    for (int c = group * per_group; c < (group + 1) * per_group; ++c) {
      total += sum[c];
      total_squares += squares[c];
    }
    const double mean = total / count;
    const double variance = std::max(0.0, total_squares / count - mean * mean);
    const double rstd = 1 / std::sqrt(variance + epsilon);
    statistics.mean[group] = static_cast<float>(mean);
    statistics.rstd[group] = static_cast<float>(rstd);
    for (int c = group * per_group; c < (group + 1) * per_group; ++c) {
      statistics.scale[c] = static_cast<float>(gamma[c] * rstd);
      statistics.shift[c] = static_cast<float>(beta[c] - mean * gamma[c] * rstd);
    }
  }
  Scale(shape, x, statistics.scale, statistics.shift, y);
}

// With xhat = (x - mean) rstd over the M values of a group and g = dy gamma:
// dx = rstd (g - sum(g) / M - xhat sum(g xhat) / M).
void GroupNormBackward(const NormShape& shape, const float* x, const float* dy, const float* gamma,
                       const NormStatistics& statistics, float* dx, float* dgamma, float* dbeta) {
  std::vector<double> sum(shape.channels), product(shape.channels);
  GradientSums(shape, x, dy, statistics.scale, statistics.shift, sum.data(), product.data());
  std::vector<float> slope(shape.channels), level(shape.channels);
  const int per_group = shape.channels / shape.groups;
  const double count = static_cast<double>(shape.pixels) * per_group;
  for (int group = 0; group < shape.groups; ++group) {
    const double mean = statistics.mean[group], rstd = statistics.rstd[group];
    double total = 0, total_hat = 0;
    for (int c = group * per_group; c < (group + 1) * per_group; ++c) {
      const double hat = (product[c] - mean * sum[c]) * rstd;
      dgamma[c] = static_cast<float>(hat);
      dbeta[c] = static_cast<float>(sum[c]);
      total += gamma[c] * sum[c];
      total_hat += gamma[c] * hat;
    }
    const double down = -rstd * rstd * total_hat / count;
    for (int c = group * per_group; c < (group + 1) * per_group; ++c) {
      slope[c] = static_cast<float>(down);
      level[c] = static_cast<float>(-rstd * total / count - mean * down);
    }
  }
  Back(shape, x, dy, statistics, slope.data(), level.data(), dx);
}

void GroupNormForwardReference(const NormShape& shape, const float* x, const float* gamma,
                               const float* beta, float epsilon, float* y) {
  const int per_group = shape.channels / shape.groups;
  for (int c = 0; c < shape.channels; ++c) {
    const int first = c / per_group * per_group;
    double mean = 0, variance = 0;
    const double count = static_cast<double>(shape.pixels) * per_group;
    for (int64_t p = 0; p < shape.pixels; ++p) {
      for (int k = first; k < first + per_group; ++k) mean += x[p * shape.channels + k] / count;
    }
    for (int64_t p = 0; p < shape.pixels; ++p) {
      for (int k = first; k < first + per_group; ++k) {
        variance += std::pow(x[p * shape.channels + k] - mean, 2) / count;
      }
    }
    for (int64_t p = 0; p < shape.pixels; ++p) {
      const double value =
          (x[p * shape.channels + c] - mean) / std::sqrt(variance + epsilon) * gamma[c] + beta[c];
      y[p * shape.channels + c] = static_cast<float>(shape.relu ? std::max(0.0, value) : value);
    }
  }
}

}  // namespace hilum::models
