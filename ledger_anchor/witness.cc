#include "ledger_anchor/witness.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/cosign.h"

namespace hilum::ledger_anchor {
namespace {

WitnessReply Refuse(int status, absl::string_view why) {
  return {.status = status, .body = absl::StrCat(why, "\n")};
}

WitnessReply OtherSize(uint64_t size) {
  return {.status = 409,
          .content_type = std::string(kSizeContentType),
          .body = absl::StrCat(size, "\n")};
}

// A request that passed steps 1 to 4.
struct Asked {
  AddCheckpoint request;
  Note note;
  Checkpoint checkpoint;
  const VerifierKey* log = nullptr;  // of Witness::logs
};

// Steps 1 to 4.
absl::StatusOr<Asked> Admit(const Witness& witness, absl::string_view body, WitnessReply& refused) {
  const auto fail = [&](int status, absl::string_view why) {
    refused = Refuse(status, why);
    return absl::InvalidArgumentError(why);
  };
  if (body.size() > kAddCheckpointLimitBytes) return fail(413, "the request is too long");
  Asked asked;
  absl::StatusOr<AddCheckpoint> request = ParseAddCheckpoint(body);
  if (!request.ok()) return fail(400, request.status().message());
  asked.request = *std::move(request);
  absl::StatusOr<Note> note = ParseNote(asked.request.note);
  if (!note.ok()) return fail(400, note.status().message());
  asked.note = *std::move(note);
  absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointForm(asked.note.text);
  if (!checkpoint.ok()) return fail(400, checkpoint.status().message());
  asked.checkpoint = *std::move(checkpoint);
  if (!asked.checkpoint.extensions.empty()) {
    return fail(400, "the checkpoint has extension lines");
  }
  const auto log =
      std::find_if(witness.logs.begin(), witness.logs.end(),
                   [&](const VerifierKey& known) { return known.name == asked.checkpoint.origin; });
  if (log == witness.logs.end()) return fail(404, "unknown log");
  asked.log = &*log;
  const absl::Status is_signed = VerifyNote(asked.note, std::span(asked.log, 1)).status();
  if (!is_signed.ok()) return fail(403, absl::StrCat("invalid signature: ", is_signed.message()));
  if (asked.request.old_size > asked.checkpoint.size) {
    return fail(400, "the old size is above the checkpoint's");
  }
  return asked;
}

// Step 6: whether the checkpoint continues what was cosigned last.
absl::Status CheckContinues(const Asked& asked, const std::optional<WitnessedHead>& last) {
  const Checkpoint& checkpoint = asked.checkpoint;
  const HashList& proof = asked.request.proof;
  if (checkpoint.size == 0 && checkpoint.root != crypto::EmptyTreeHash()) {
    return absl::DataLossError("the root of size 0 is not that of the empty tree");
  }
  if (!last.has_value() || last->size == 0) {
    if (proof.empty()) return absl::OkStatus();
    return absl::DataLossError("the consistency proof from size 0 must be empty");
  }
  if (last->size == checkpoint.size) {
    if (last->root != checkpoint.root) {
      return absl::DataLossError("another root of this size was cosigned");
    }
    if (proof.empty()) return absl::OkStatus();
    return absl::DataLossError("the consistency proof of equal sizes must be empty");
  }
  return VerifyConsistency({.old_size = last->size,
                            .old_root = last->root,
                            .size = checkpoint.size,
                            .root = checkpoint.root},
                           proof);
}

// Anyone can send a checkpoint that the log signed with a proof that is none: that accuses nobody.
void KeepEvidence(const Witness& witness, const Asked& asked, const WitnessedHead& last,
                  bool is_fork) {
  witness.store
      .KeepEvidence({.origin = asked.checkpoint.origin,
                     .is_fork = is_fork,
                     .cosigned = last.note,
                     .refused = asked.request.note})
      .IgnoreError();  // the refusal stands without it
}

// The checkpoint with the log's own lines alone: whatever else stood in the request is not vouched
// for, and would only make the stored note grow.
Note WithoutOthers(const Note& note, const VerifierKey& log) {
  Note own{.text = note.text, .lines = {}};
  std::copy_if(
      note.lines.begin(), note.lines.end(), std::back_inserter(own.lines),
      [&](const SignatureLine& line) { return line.name == log.name && line.key_id == log.id; });
  return own;
}

// Steps 7 and 8.
WitnessReply CosignAndStore(const Witness& witness, const Asked& asked,
                            const std::optional<WitnessedHead>& last, uint64_t now_s) {
  const absl::StatusOr<SignatureLine> line = Cosign(
      {.checkpoint_text = asked.note.text, .name = witness.name, .time_s = now_s}, witness.key);
  if (!line.ok()) return Refuse(503, "the clock of this witness is not set");
  Note cosigned = WithoutOthers(asked.note, *asked.log);
  cosigned.lines.push_back(*line);
  const absl::Status stored = witness.store.Advance(asked.checkpoint.origin, last ? last->size : 0,
                                                    {.size = asked.checkpoint.size,
                                                     .root = asked.checkpoint.root,
                                                     .time_s = now_s,
                                                     .note = FormatNote(cosigned)});
  if (absl::IsAborted(stored)) {
    const auto now = witness.store.Last(asked.checkpoint.origin);
    if (now.ok() && now->has_value()) return OtherSize((*now)->size);
  }
  if (!stored.ok()) return Refuse(503, "the witness could not store the checkpoint; try again");
  return {.status = 200, .body = FormatSignatureLine(*line)};
}

}  // namespace

absl::StatusOr<AddCheckpoint> ParseAddCheckpoint(absl::string_view body) {
  const auto bad = [](absl::string_view why) { return absl::InvalidArgumentError(why); };
  if (body.size() > kAddCheckpointLimitBytes) return bad("the request is too long");
  const size_t end = body.find("\n\n");
  if (end == absl::string_view::npos) return bad("no empty line ends the request's head");
  AddCheckpoint request;
  request.note = std::string(body.substr(end + 2));
  if (request.note.empty()) return bad("the request has no checkpoint");
  const std::vector<absl::string_view> lines = absl::StrSplit(body.substr(0, end), '\n');
  if (lines.size() - 1 > kWitnessProofLimit) return bad("the proof has more than 63 hashes");
  if (!absl::StartsWith(lines[0], "old ")) return bad("the first line is not \"old <size>\"");
  HILUM_ASSIGN_OR_RETURN(request.old_size, ParseDecimalInteger("the old size", lines[0].substr(4)));
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::optional<Digest> hash = ParseHash(lines[i]);
    if (!hash.has_value()) return bad("a proof line is not the base64 of 32 bytes");
    request.proof.push_back(*hash);
  }
  return request;
}

std::string FormatAddCheckpoint(const AddCheckpoint& request) {
  std::string body = absl::StrCat("old ", request.old_size, "\n");
  for (const Digest& hash : request.proof) {
    absl::StrAppend(&body, crypto::Base64Encode(hash), "\n");
  }
  return absl::StrCat(body, "\n", request.note);
}

WitnessReply HandleAddCheckpoint(const Witness& witness, absl::string_view body, uint64_t now_s) {
  WitnessReply refused;
  const absl::StatusOr<Asked> asked = Admit(witness, body, refused);
  if (!asked.ok()) return refused;
  const auto last = witness.store.Last(asked->checkpoint.origin);
  if (!last.ok()) return Refuse(503, "the witness cannot read its database; try again");
  const uint64_t last_size = last->has_value() ? (*last)->size : 0;
  const bool is_fork = last->has_value() && last_size == asked->checkpoint.size &&
                       (*last)->root != asked->checkpoint.root;
  if (is_fork) KeepEvidence(witness, *asked, **last, is_fork);
  if (asked->request.old_size != last_size) return OtherSize(last_size);
  const absl::Status continues = CheckContinues(*asked, *last);
  if (!continues.ok()) {
    if (last->has_value() && !is_fork) KeepEvidence(witness, *asked, **last, is_fork);
    return Refuse(422, absl::StrCat("the consistency proof fails: ", continues.message()));
  }
  if (last->has_value() && now_s < (*last)->time_s) {
    return Refuse(503, "the clock of this witness stands before its last cosignature");
  }
  return CosignAndStore(witness, *asked, *last, now_s);
}

WitnessReply HandleGetCheckpoint(const Witness& witness, absl::string_view hex_origin_hash) {
  for (const VerifierKey& log : witness.logs) {
    if (ToHex(crypto::Sha256(log.name)) != hex_origin_hash) continue;
    const auto last = witness.store.Last(log.name);
    if (!last.ok()) return Refuse(503, "the witness cannot read its database; try again");
    if (last->has_value()) return {.status = 200, .body = (*last)->note};
  }
  return Refuse(404, "nothing of such a log was cosigned here");
}

}  // namespace hilum::ledger_anchor
