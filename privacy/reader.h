// Takes the fields of a signed encoding from its front (secure_aggregation.md, section 2).
#ifndef HILUM_PRIVACY_READER_H_
#define HILUM_PRIVACY_READER_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::privacy {

// Beyond the end it reads zeros and remembers that it did; Finish tells. So a decoder reads all its
// fields in a row and asks once. It allocates nothing.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  uint8_t U8() { return static_cast<uint8_t>(Big(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Big(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Big(4)); }
  uint64_t U64() { return Big(8); }
  double F64() { return std::bit_cast<double>(Big(8)); }
  template <size_t N>
  std::array<uint8_t, N> Array() {
    std::array<uint8_t, N> value{};
    const ByteView taken = Take(N);
    std::copy(taken.begin(), taken.end(), value.begin());
    return value;
  }

  // The next n bytes, where they lie; empty when fewer are left.
  ByteView View(size_t n) { return Take(n); }

  size_t n_left() const { return rest_.size(); }
  bool ended_early() const { return ended_early_; }

  // InvalidArgument: `what` ended early, or bytes follow it.
  absl::Status Finish(absl::string_view what) const {
    if (ended_early_) return absl::InvalidArgumentError(absl::StrCat(what, " ends too early"));
    if (!rest_.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " is followed by ", rest_.size(), " bytes that do not belong to it"));
    }
    return absl::OkStatus();
  }

 private:
  ByteView Take(size_t n) {
    if (n > rest_.size()) {
      ended_early_ = true;
      rest_ = {};
      return {};
    }
    const ByteView taken = rest_.first(n);
    rest_ = rest_.subspan(n);
    return taken;
  }
  uint64_t Big(size_t n) {
    uint64_t value = 0;
    for (const uint8_t byte : Take(n)) value = value << 8 | byte;
    return value;
  }

  ByteView rest_;
  bool ended_early_ = false;
};

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_READER_H_
