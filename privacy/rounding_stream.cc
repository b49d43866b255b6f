#include "privacy/rounding_stream.h"

#include "base/bytes.h"
#include "crypto/hash.h"

namespace hilum::privacy {
namespace {

constexpr absl::string_view kLabelSeededRounding = "hilum/sa/v1/seeded-rounding";

}  // namespace

RoundingStream RoundingStream::FromJobSeed(const Position& position) {
  Bytes message;
  AppendU64(message, position.job_seed);
  AppendU64(message, position.round.number);
  AppendU16(message, position.site_index);
  return RoundingStream(crypto::LabelledHash(kLabelSeededRounding, message));
}

RoundingStream RoundingStream::FromFreshRandomness() {
  return RoundingStream(crypto::RandomArray<32>());
}

}  // namespace hilum::privacy
