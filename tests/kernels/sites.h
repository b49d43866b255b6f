// Updates of many sites for the tests, each guarded.
#ifndef HILUM_TESTS_KERNELS_SITES_H_
#define HILUM_TESTS_KERNELS_SITES_H_

#include <cstdint>
#include <vector>

#include "kernels/updates.h"
#include "tests/kernels/parity.h"

namespace hilum::kernels {

// Site i holds RandomFloats(n_params, seed + i); a kernel that reads beside an update reads NaN.
class GuardedSites {
 public:
  GuardedSites(int64_t n_sites, int64_t n_params, uint32_t seed = 100) {
    for (int64_t site = 0; site < n_sites; ++site) {
      sites_.emplace_back(RandomFloats(n_params, seed + static_cast<uint32_t>(site)));
    }
    for (Guarded<float>& site : sites_) spans_.push_back(site.span());
  }
  // The same values in a caller's hands.
  explicit GuardedSites(const std::vector<std::vector<float>>& values) {
    for (const std::vector<float>& site : values) sites_.emplace_back(site);
    for (Guarded<float>& site : sites_) spans_.push_back(site.span());
  }
  Updates updates() const { return spans_; }
  std::span<float> site(int64_t i) { return sites_[static_cast<size_t>(i)].span(); }

 private:
  std::vector<Guarded<float>> sites_;
  std::vector<std::span<const float>> spans_;
};

}  // namespace hilum::kernels

#endif  // HILUM_TESTS_KERNELS_SITES_H_
