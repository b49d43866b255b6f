#include "ledger_anchor/feed.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ledger_anchor/cosign.h"

namespace hilum::ledger_anchor {
namespace {

FeedResult Missing(absl::string_view reason) {
  return {.verdict = FeedVerdict::kMissing, .reason = std::string(reason)};
}

// The size in a 409 answer. Absent: it is none.
std::optional<uint64_t> SizeOf(const WitnessReply& reply) {
  if (reply.content_type != kSizeContentType || reply.body.empty() || reply.body.back() != '\n') {
    return std::nullopt;
  }
  const absl::StatusOr<uint64_t> size = ParseDecimalInteger(
      "the size", absl::string_view(reply.body).substr(0, reply.body.size() - 1));
  return size.ok() ? std::optional<uint64_t>(*size) : std::nullopt;
}

absl::StatusOr<WitnessReply> Send(const FedCheckpoint& fed, uint64_t old_size,
                                  WitnessTransport& transport) {
  AddCheckpoint request{.old_size = old_size, .proof = {}, .note = fed.note};
  if (old_size > 0 && old_size < fed.checkpoint.size) {
    absl::StatusOr<HashList> proof = fed.prove(old_size);
    if (!proof.ok()) return proof.status();
    request.proof = *std::move(proof);
  }
  return transport.AddCheckpoint(FormatAddCheckpoint(request));
}

}  // namespace

FeedResult WitnessFeed::Ask(const FedCheckpoint& fed, WitnessTransport& transport, uint64_t now_s) {
  if (size_ > fed.checkpoint.size) size_ = 0;  // what it said last time is not believed for ever
  absl::StatusOr<WitnessReply> reply = Send(fed, size_, transport);
  if (reply.ok() && reply->status == 409) {
    const std::optional<uint64_t> size = SizeOf(*reply);
    if (!size.has_value()) {
      return {.verdict = FeedVerdict::kFaulty,
              .reason = "its answer 409 names no size",
              .evidence = reply->body};
    }
    if (*size > fed.checkpoint.size) {
      return Confront(fed, transport, absl::StrCat("it says that it cosigned size ", *size));
    }
    size_ = *size;
    reply = Send(fed, size_, transport);
    if (reply.ok() && reply->status == 409) {
      return Confront(fed, transport, "it refuses the size that it named itself");
    }
  }
  if (!reply.ok()) return Missing(reply.status().message());
  if (reply->status == 422) {
    return Confront(fed, transport, "it says that the log does not continue what it cosigned");
  }
  return Judge(fed, *reply, now_s);
}

FeedResult WitnessFeed::Judge(const FedCheckpoint& fed, const WitnessReply& reply, uint64_t now_s) {
  if (reply.status == 400 || reply.status == 403 || reply.status == 404 || reply.status == 413) {
    return {.verdict = FeedVerdict::kMisconfigured,
            .reason = absl::StrCat("it answers ", reply.status, ": ",
                                   absl::StripTrailingAsciiWhitespace(reply.body))};
  }
  if (reply.status != 200) return Missing(absl::StrCat("it answers ", reply.status));
  // The lines as a note of their own; those of other keys mean nothing here.
  const absl::StatusOr<Note> note = ParseNote(absl::StrCat("lines\n\n", reply.body));
  const auto faulty = [&](absl::string_view reason) {
    return FeedResult{
        .verdict = FeedVerdict::kFaulty, .reason = std::string(reason), .evidence = reply.body};
  };
  if (!note.ok()) return faulty("its answer holds no signature lines");
  const std::string text = FormatCheckpointText(fed.checkpoint);
  const SignatureLine* own = nullptr;
  for (const SignatureLine& line : note->lines) {
    if (line.name != witness_.name || line.key_id != witness_.id) continue;
    if (own != nullptr) return faulty("its answer holds two lines of its key");
    own = &line;
  }
  if (own == nullptr) return faulty("its answer holds no line of its key");
  const absl::StatusOr<uint64_t> time_s = VerifyCosignature(text, *own, witness_);
  if (!time_s.ok()) return faulty("its cosignature does not verify");
  if (*time_s + kCosignatureSkewS < now_s || *time_s > now_s + kCosignatureSkewS) {
    return faulty(absl::StrCat("its cosignature is of the time ", *time_s, ", here it is ", now_s));
  }
  size_ = fed.checkpoint.size;
  return {.verdict = FeedVerdict::kCosigned, .line = *own};
}

FeedResult WitnessFeed::Confront(const FedCheckpoint& fed, WitnessTransport& transport,
                                 absl::string_view reason) {
  const absl::StatusOr<WitnessReply> reply = transport.GetCheckpoint();
  if (!reply.ok()) return Missing(absl::StrCat(reason, ", and does not show its checkpoint"));
  FeedResult faulty{.verdict = FeedVerdict::kFaulty, .reason = std::string(reason)};
  faulty.evidence = reply->body;
  if (reply->status >= 500) return Missing(absl::StrCat(reason, ", then answers ", reply->status));
  if (reply->status != 200) return faulty;
  const absl::StatusOr<OpenedCheckpoint> shown = OpenCheckpoint(reply->body, fed.log);
  if (!shown.ok()) return faulty;  // anyone can write a checkpoint that we did not sign
  const Checkpoint& theirs = shown->checkpoint;
  if (theirs.size == 0) return faulty;
  // The log may have grown since it asked: what counts is what it has now.
  const absl::StatusOr<Digest> ours = fed.root_at(theirs.size);
  const bool is_larger = absl::IsInvalidArgument(ours.status());
  if (!ours.ok() && !is_larger) return Missing(ours.status().message());
  if (!is_larger && *ours == theirs.root) {
    if (theirs.size <= fed.checkpoint.size) return faulty;
    return Missing(absl::StrCat("it has cosigned size ", theirs.size, " already"));
  }
  return {.verdict = FeedVerdict::kContradiction,
          .reason = absl::StrCat("it holds a checkpoint of size ", theirs.size,
                                 " that this log's key signed and this log does not have"),
          .evidence = reply->body};
}

}  // namespace hilum::ledger_anchor
