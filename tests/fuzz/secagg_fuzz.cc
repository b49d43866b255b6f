// One message of secure aggregation from a hostile peer: read, and written back as it came. Built
// once for each message: HILUM_SECAGG_MESSAGE names the function below.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "privacy/secagg/complaint.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/r0_messages.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r2_messages.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/r4_messages.h"
#include "privacy/secagg/r5_messages.h"

namespace hilum::privacy::secagg {
namespace {

template <class Message>
void CheckRoundTrip(const absl::StatusOr<Message>& message, ByteView body) {
  if (message.ok()) HILUM_CHECK(Encode(*message) == Bytes(body.begin(), body.end()));
}

[[maybe_unused]] void key_advertisement(ByteView body) {
  CheckRoundTrip(DecodeKeyAdvertisement(body), body);
}
[[maybe_unused]] void key_list(ByteView body) { CheckRoundTrip(DecodeKeyList(body), body); }
[[maybe_unused]] void graph_reveal(ByteView body) { CheckRoundTrip(DecodeGraphReveal(body), body); }
[[maybe_unused]] void u1(ByteView body) { CheckRoundTrip(DecodeU1(body), body); }
// The first byte is the number of commitments in a list, which the round fixes.
[[maybe_unused]] void share_bundle(ByteView data) {
  if (data.empty()) return;
  const ByteView body = data.subspan(1);
  CheckRoundTrip(DecodeShareBundle(body, data[0]), body);
}
[[maybe_unused]] void share_delivery(ByteView data) {
  if (data.empty()) return;
  const ByteView body = data.subspan(1);
  CheckRoundTrip(DecodeShareDelivery(body, data[0]), body);
}
[[maybe_unused]] void share_ack(ByteView body) { CheckRoundTrip(DecodeShareAck(body), body); }
[[maybe_unused]] void complaints(ByteView data) {
  if (data.empty()) return;
  const ByteView body = data.subspan(1);
  const auto list = DecodeComplaints(body, data[0]);
  if (list.ok()) HILUM_CHECK(EncodeComplaints(*list) == Bytes(body.begin(), body.end()));
}
[[maybe_unused]] void u2(ByteView body) { CheckRoundTrip(DecodeU2(body), body); }
[[maybe_unused]] void masked_input_chunk(ByteView body) {
  RoundConfig config;
  config.n_params = 5;
  config.n_extras = 3;
  config.chunk_coords = 6;
  config.ring_bits = 25;
  const auto chunk = DecodeChunk(body, config);
  if (chunk.ok()) HILUM_CHECK(chunk->bytes.size() == (chunk->index == 0 ? 19u : 7u));
}
[[maybe_unused]] void masked_input_close(ByteView body) {
  CheckRoundTrip(DecodeMaskedInputClose(body), body);
}
[[maybe_unused]] void signed_transcript(ByteView body) {
  CheckRoundTrip(DecodeSignedTranscript(body), body);
}
[[maybe_unused]] void transcript_vote(ByteView body) {
  CheckRoundTrip(DecodeTranscriptVote(body), body);
}
[[maybe_unused]] void vote_list(ByteView body) { CheckRoundTrip(DecodeVoteList(body), body); }
[[maybe_unused]] void unmasking(ByteView body) { CheckRoundTrip(DecodeUnmasking(body), body); }
[[maybe_unused]] void round_opening(ByteView body) {
  CheckRoundTrip(DecodeRoundOpening(body), body);
}
// The site's own records, should its disk have gone bad.
[[maybe_unused]] void journal(ByteView body) {
  CheckRoundTrip(DecodeInputRecord(body), body);
  CheckRoundTrip(DecodeVoteRecord(body), body);
  CheckRoundTrip(DecodeAnswerRecord(body), body);
  (void)DecodeRidRecord(body);
}

}  // namespace
}  // namespace hilum::privacy::secagg

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hilum::privacy::secagg::HILUM_SECAGG_MESSAGE(hilum::ByteView(data, size));
  return 0;
}
