#include "ledger_anchor/witness_pipe.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kReplyHead = 3;

std::string EncodeReply(const WitnessReply& reply) {
  std::string frame = {static_cast<char>(reply.status >> 8), static_cast<char>(reply.status),
                       static_cast<char>(reply.content_type.size())};
  absl::StrAppend(&frame, reply.content_type, reply.body);
  return frame;
}

}  // namespace

absl::Status ServeWitnessPipe(const Witness& witness, const Clock& clock, const PipeEnds& ends) {
  for (;;) {
    absl::StatusOr<std::string> frame =
        ReadFrame(ends, kAddCheckpointLimitBytes + 1, absl::InfiniteFuture());
    if (absl::IsCancelled(frame.status())) return absl::OkStatus();
    HILUM_RETURN_IF_ERROR(frame.status());
    const absl::string_view body = absl::string_view(*frame).substr(frame->empty() ? 0 : 1);
    const int kind = frame->empty() ? -1 : static_cast<unsigned char>((*frame)[0]);
    WitnessReply reply;
    if (kind == static_cast<int>(WitnessCall::kAddCheckpoint)) {
      reply = HandleAddCheckpoint(witness, body, static_cast<uint64_t>(clock.NowSeconds()));
    } else if (kind == static_cast<int>(WitnessCall::kGetCheckpoint)) {
      reply = HandleGetCheckpoint(witness, body);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("a witness has no call of kind ", kind));
    }
    HILUM_RETURN_IF_ERROR(WriteFrame(ends, EncodeReply(reply), absl::InfiniteFuture()));
  }
}

absl::StatusOr<WitnessReply> CallWitnessPipe(const PipeEnds& ends, WitnessCall call,
                                             absl::string_view body, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  const char kind = static_cast<char>(call);
  HILUM_RETURN_IF_ERROR(WriteFrame(ends, absl::StrCat(absl::string_view(&kind, 1), body), end));
  absl::StatusOr<std::string> frame = ReadFrame(ends, kWitnessReplyLimitBytes, end);
  if (absl::IsCancelled(frame.status()))
    return absl::UnavailableError("the witness's process ended");
  if (absl::IsInvalidArgument(frame.status())) {
    return absl::DataLossError(frame.status().message());
  }
  HILUM_RETURN_IF_ERROR(frame.status());
  const auto byte = [&](size_t i) { return static_cast<unsigned char>((*frame)[i]); };
  if (frame->size() < kReplyHead || frame->size() < kReplyHead + byte(2)) {
    return absl::DataLossError("the witness's process sent an answer of another form");
  }
  return WitnessReply{.status = byte(0) << 8 | byte(1),
                      .content_type = frame->substr(kReplyHead, byte(2)),
                      .body = frame->substr(kReplyHead + byte(2))};
}

}  // namespace hilum::ledger_anchor
