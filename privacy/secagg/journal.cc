#include "privacy/secagg/journal.h"

#include <algorithm>

#include "base/status_macros.h"

namespace hilum::privacy::secagg {

Bytes EncodeRidRecord(const crypto::Rid& rid) { return Bytes(rid.begin(), rid.end()); }

absl::StatusOr<crypto::Rid> DecodeRidRecord(ByteView record) {
  Reader in(record);
  const crypto::Rid rid = in.Array<25>();
  HILUM_RETURN_IF_ERROR(in.Finish("the record of the round"));
  return rid;
}

// federation_id comes first; round and attempt follow big-endian, so bytes compare as numbers do.
absl::Status CheckFreshRid(const crypto::Rid& rid, const std::optional<crypto::Rid>& last) {
  if (!last.has_value()) return absl::OkStatus();
  if (!std::equal(rid.begin(), rid.begin() + 16, last->begin())) {
    return absl::FailedPreconditionError("the round is of another federation than this record");
  }
  if (rid > *last) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this site has begun this attempt or a later one already; it signs each only once");
}

Bytes Encode(const InputRecord& record) {
  Bytes out(record.rid.begin(), record.rid.end());
  AppendBytes(out, record.u2_hash);
  AppendBytes(out, record.root);
  return out;
}

absl::StatusOr<InputRecord> DecodeInputRecord(ByteView record) {
  Reader in(record);
  InputRecord result;
  result.rid = in.Array<25>();
  result.u2_hash = in.Array<32>();
  result.root = in.Array<32>();
  HILUM_RETURN_IF_ERROR(in.Finish("the record of the input"));
  return result;
}

Bytes Encode(const VoteRecord& record) {
  Bytes out(record.rid.begin(), record.rid.end());
  AppendBytes(out, record.transcript_hash);
  AppendBytes(out, record.nonce);
  AppendBytes(out, record.model_hash);
  AppendU16(out, record.n);
  Bytes bitmap((record.n + size_t{7}) / 8);
  for (const uint16_t member : record.u3) {
    bitmap[member / 8] |= static_cast<uint8_t>(1 << member % 8);
  }
  AppendBytes(out, bitmap);
  return out;
}

absl::StatusOr<VoteRecord> DecodeVoteRecord(ByteView record) {
  Reader in(record);
  VoteRecord result;
  result.rid = in.Array<25>();
  result.transcript_hash = in.Array<32>();
  result.nonce = in.Array<32>();
  result.model_hash = in.Array<32>();
  result.n = in.U16();
  const ByteView bitmap = in.View((result.n + size_t{7}) / 8);
  HILUM_RETURN_IF_ERROR(in.Finish("the record of the vote"));
  for (size_t bit = 0; bit < bitmap.size() * 8; ++bit) {
    if ((bitmap[bit / 8] >> bit % 8 & 1) == 0) continue;
    if (bit >= result.n) {
      return absl::InvalidArgumentError("the record of the vote has a member beyond its roster");
    }
    result.u3.push_back(static_cast<uint16_t>(bit));
  }
  return result;
}

Bytes Encode(const AnswerRecord& record) {
  Bytes out(record.rid.begin(), record.rid.end());
  AppendBytes(out, record.transcript_hash);
  AppendBytes(out, record.message);
  return out;
}

absl::StatusOr<AnswerRecord> DecodeAnswerRecord(ByteView record) {
  Reader in(record);
  AnswerRecord result;
  result.rid = in.Array<25>();
  result.transcript_hash = in.Array<32>();
  const ByteView message = in.View(in.n_left());
  HILUM_RETURN_IF_ERROR(in.Finish("the record of the answer"));
  result.message.assign(message.begin(), message.end());
  return result;
}

}  // namespace hilum::privacy::secagg
