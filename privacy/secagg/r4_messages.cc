#include "privacy/secagg/r4_messages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "privacy/secagg/scalar_list.h"

namespace hilum::privacy::secagg {
namespace {

constexpr ListName kBShares{.what = "the list of b-shares"};
constexpr ListName kAShares{.what = "the list of a-shares"};

}  // namespace

Indices IndicesOf(const IndexedScalars& scalars) {
  Indices indices;
  for (const IndexedScalar& scalar : scalars) indices.push_back(scalar.index);
  return indices;
}

Bytes TagFields(const Digest& transcript_hash, const Digest& votes_hash,
                const kernels::TagValues& values) {
  Bytes out(transcript_hash.begin(), transcript_hash.end());
  AppendBytes(out, votes_hash);
  for (const uint64_t value : values) AppendU64(out, value);
  return out;
}

Bytes UnmaskingFields(const Unmasking& unmasking) {
  Bytes out;
  // Reserved, so that growing leaves no shares behind.
  out.reserve(32 + 8 + 34 * (unmasking.b_shares.size() + unmasking.a_shares.size()) + 256);
  AppendBytes(out, unmasking.votes_hash);
  AppendScalars(out, unmasking.b_shares);
  AppendScalars(out, unmasking.a_shares);
  return out;
}

Bytes Encode(const Unmasking& unmasking) {
  Bytes out = UnmaskingFields(unmasking);
  AppendBytes(out, unmasking.signature.bytes);
  for (const uint64_t value : unmasking.tag.values) AppendU64(out, value);
  AppendBytes(out, unmasking.tag.signature.bytes);
  return out;
}

absl::StatusOr<Unmasking> DecodeUnmasking(ByteView body) {
  Reader in(body);
  Unmasking unmasking;
  unmasking.votes_hash = in.Array<32>();
  HILUM_RETURN_IF_ERROR(ReadScalars(in, kBShares, unmasking.b_shares));
  HILUM_RETURN_IF_ERROR(ReadScalars(in, kAShares, unmasking.a_shares));
  unmasking.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(ReadTag(in, unmasking.tag));
  HILUM_RETURN_IF_ERROR(in.Finish("the unmasking"));
  const Indices with_b = IndicesOf(unmasking.b_shares);
  for (const IndexedScalar& share : unmasking.a_shares) {
    if (Holds(with_b, share.index)) {
      return absl::InvalidArgumentError(
          absl::StrCat("both shares of member ", share.index, " were sent"));
    }
  }
  return unmasking;
}

}  // namespace hilum::privacy::secagg
