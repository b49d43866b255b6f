#include "client/published_sum.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "kernels/device.h"
#include "privacy/packed_vector.h"
#include "privacy/policy.h"
#include "privacy/round_config.h"
#include "privacy/secagg/evidence.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/verify_round.h"
#include "privacy/sum_object.h"
#include "privacy/unmask.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::client {

namespace secagg = privacy::secagg;

namespace {

constexpr uint64_t kConfigLimitBytes = 1 << 20;

class PublishedSum {
 public:
  PublishedSum(const RoundContext& context, const ledger_anchor::RoundRecord& record)
      : context_(context), record_(record) {}

  absl::StatusOr<std::string> Verify();

 private:
  template <class... Parts>
  absl::Status False(const Parts&... parts) const {
    return absl::DataLossError(
        absl::StrCat("round ", record_.round, " of job ", record_.job, ": ", parts...));
  }
  absl::StatusOr<Bytes> Fetch(const Digest& sha256, uint64_t limit_bytes) const {
    if (context_.cancel != nullptr && *context_.cancel) {
      return absl::CancelledError("the check was stopped");
    }
    return context_.fetch_object({record_.job, record_.round, sha256}, limit_bytes);
  }
  absl::Status ReadRecipe();
  absl::Status ReadEvidence();
  absl::Status CheckOwnVote() const;
  absl::StatusOr<Bytes> FetchVector(const ledger_anchor::CountedUpdate& update) const;
  absl::StatusOr<std::vector<uint32_t>> UntaggedVector(uint16_t member) const;
  absl::StatusOr<proto::SafetensorsFile> BaseModel() const;
  absl::Status DeriveModel(privacy::RingTotal total) const;
  absl::Status CheckSampledModel(privacy::RingSample sample) const;
  absl::StatusOr<Bytes> EncodeModel(proto::SafetensorsFile model) const;
  absl::Status KeepModel(ByteView file) const;

  const RoundContext& context_;
  const ledger_anchor::RoundRecord& record_;
  privacy::RoundConfig config_;
  proto::RoundPlan plan_;
  std::optional<secagg::Evidence> evidence_;
};

// Configuration and plan. Their sizes bound everything that follows, so the layout must be the one
// of the plan that this site has approved.
absl::Status PublishedSum::ReadRecipe() {
  HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, Own(context_.state.Job(record_.job)));
  if (!job.has_value()) return absl::FailedPreconditionError("the job was not offered here");
  const absl::StatusOr<proto::RoundPlan> approved = proto::ParseRoundPlan(job->answered_plan);
  // Our own record, of an older release perhaps: no fault of the server's.
  if (!approved.ok()) return absl::FailedPreconditionError(approved.status().message());
  HILUM_ASSIGN_OR_RETURN(const Bytes config, Fetch(record_.config_object, kConfigLimitBytes));
  HILUM_ASSIGN_OR_RETURN(config_, privacy::DecodeRoundConfig(config));
  if (privacy::HashConfig(config_) != record_.config) {
    return False("its configuration is not the one in the ledger");
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes plan, Fetch(config_.plan, proto::kRoundPlanLimitBytes));
  HILUM_ASSIGN_OR_RETURN(plan_, proto::ParseRoundPlan(AsText(plan)));
  const bool same = plan_.job == record_.job && plan_.spec == approved->spec &&
                    config_.round == record_.round &&
                    config_.n_params == static_cast<uint64_t>(plan_.spec.n_params()) &&
                    config_.n_extras == privacy::kMinExtras;
  if (!same) return False("its plan or configuration has another model than the approved plan");
  if (config_.chunk_coords != privacy::kChunkCoords) {
    return False("its configuration has chunks of ", config_.chunk_coords,
                 " coordinates, this version has ", privacy::kChunkCoords);
  }
  return privacy::CheckHeadroom(config_);
}

absl::Status PublishedSum::ReadEvidence() {
  if (!record_.masked.has_value()) return False("the record has no masks' evidence");
  const ledger_anchor::MaskedEvidence& masked = *record_.masked;
  HILUM_ASSIGN_OR_RETURN(secagg::ContextPtr context,
                         secagg::Context::Create({.config = config_,
                                                  .attempt = record_.attempt,
                                                  .server_key = context_.gate.pins().entry_key}));
  HILUM_ASSIGN_OR_RETURN(evidence_,
                         secagg::ReadEvidence(std::move(context), {.key_list = masked.key_list,
                                                                   .u1 = masked.u1,
                                                                   .u2 = masked.u2,
                                                                   .complaints = masked.complaints,
                                                                   .transcript = record_.transcript,
                                                                   .votes = masked.votes,
                                                                   .opening = masked.opening}));
  const bool same =
      secagg::HashOf(*evidence_->facts.context, evidence_->transcript) == record_.transcript_hash;
  return same ? absl::OkStatus() : False("the transcript is not the one in the ledger");
}

absl::Status PublishedSum::CheckOwnVote() const {
  HILUM_ASSIGN_OR_RETURN(const std::optional<Bytes> stored,
                         Own(context_.state.Masked({.job = record_.job,
                                                    .round = record_.round,
                                                    .attempt = record_.attempt,
                                                    .kind = "vote",
                                                    .record = {}})));
  if (!stored.has_value()) return absl::OkStatus();
  const absl::StatusOr<secagg::VoteRecord> vote = secagg::DecodeVoteRecord(*stored);
  if (!vote.ok()) return absl::InternalError(vote.status().message());  // our own disk
  if (vote->transcript_hash == record_.transcript_hash) return absl::OkStatus();
  return False("its transcript is not the one that this site voted for");
}

// A server may delete vectors once the round's retention is over; so this site's own clock says
// whether one that is missing accuses anybody. FailedPrecondition: it does not.
absl::StatusOr<Bytes> PublishedSum::FetchVector(const ledger_anchor::CountedUpdate& update) const {
  absl::StatusOr<Bytes> vector = Fetch(update.object, privacy::LayoutOf(config_).size_bytes());
  if (!absl::IsNotFound(vector.status())) return vector;
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> own,
                         Own(context_.state.Round(record_.job, record_.round, record_.attempt)));
  const int64_t kept_s = int64_t{config_.audit_days} * 86'400;
  if (!own.has_value() || context_.now_s - own->started_at_s <= kept_s) return vector;
  return absl::FailedPreconditionError(
      absl::StrCat("round ", record_.round, " of job ", record_.job,
                   " can no longer be verified: the vector of member ", update.site_index,
                   " is past its retention of ", config_.audit_days, " days"));
}

// The whole vector of a member that sent no tag. VerifySum asks for one at a time and compares it
// with T: however many tags a server keeps back, this site never holds more than one.
absl::StatusOr<std::vector<uint32_t>> PublishedSum::UntaggedVector(uint16_t member) const {
  const auto update = std::find_if(record_.updates.begin(), record_.updates.end(),
                                   [member](const auto& one) { return one.site_index == member; });
  if (update == record_.updates.end()) {
    return False("member ", member, " has neither a tag nor a counted update");
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, FetchVector(*update));
  return privacy::UnpackVector(bytes, privacy::LayoutOf(config_));
}

// From the site's disk, else from the server.
absl::StatusOr<proto::SafetensorsFile> PublishedSum::BaseModel() const {
  const Digest& sha256 = record_.base_model;
  const fs::path path = context_.folder.models() / (ToHex(sha256) + ".safetensors");
  const uint64_t limit = proto::SafetensorsLimitBytes(plan_.spec.n_params());
  absl::StatusOr<Bytes> file = ReadFile(path, limit);
  if (!file.ok() || crypto::Sha256(*file) != sha256) {
    file = context_.fetch_model(sha256, limit);
    HILUM_RETURN_IF_ERROR(file.status());
    if (crypto::Sha256(*file) != sha256) return False("the server sent another base model");
  }
  return proto::ParseSafetensorsAs(*file, plan_.spec);
}

absl::Status PublishedSum::DeriveModel(privacy::RingTotal total) const {
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile model, BaseModel());
  HILUM_ASSIGN_OR_RETURN(const privacy::MeanDelta mean,
                         privacy::Dequantize(std::move(total), config_));
  HILUM_RETURN_IF_ERROR(privacy::AddMean(mean, plan_.strategy.server_learning_rate, model.flat));
  HILUM_ASSIGN_OR_RETURN(const Bytes file, EncodeModel(std::move(model)));
  const Digest sha256 = crypto::Sha256(file);
  if (sha256 != record_.model) {
    return False("the model that follows from the verified sum is ", ToHex(sha256),
                 ", the ledger names ", ToHex(record_.model));
  }
  return KeepModel(file);
}

// The published model is read instead of derived: its parameters in the sample's chunks, and that
// the file is the base model's in all but parameters and stamp.
absl::Status PublishedSum::CheckSampledModel(privacy::RingSample sample) const {
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base, BaseModel());
  HILUM_ASSIGN_OR_RETURN(
      const Bytes file,
      context_.fetch_model(record_.model, proto::SafetensorsLimitBytes(plan_.spec.n_params())));
  if (crypto::Sha256(file) != record_.model) return False("the server sent another new model");
  HILUM_ASSIGN_OR_RETURN(const proto::SafetensorsFile model,
                         proto::ParseSafetensorsAs(file, plan_.spec));
  const absl::Status same = std::move(sample).CheckModel(
      config_, plan_.strategy.server_learning_rate, base.flat, model.flat);
  if (absl::IsDataLoss(same)) return False(same.message());
  HILUM_RETURN_IF_ERROR(same);
  base.flat = model.flat;
  HILUM_ASSIGN_OR_RETURN(const Bytes made, EncodeModel(std::move(base)));
  if (made != file) return False("the new model's file is not made like its base model's");
  return KeepModel(file);
}

absl::StatusOr<Bytes> PublishedSum::EncodeModel(proto::SafetensorsFile model) const {
  return proto::EncodeRoundModel(
      std::move(model),
      {.job = record_.job, .round = record_.round, .ledger = context_.gate.origin()});
}

absl::Status PublishedSum::KeepModel(ByteView file) const {
  HILUM_RETURN_IF_ERROR(OwnFault(MakeFolder(context_.folder.models())));
  return OwnFault(
      WriteFileDurably(context_.folder.models() / (ToHex(record_.model) + ".safetensors"), file));
}

absl::StatusOr<std::string> PublishedSum::Verify() {
  HILUM_RETURN_IF_ERROR(ReadRecipe());
  HILUM_RETURN_IF_ERROR(ReadEvidence());
  HILUM_RETURN_IF_ERROR(CheckOwnVote());
  secagg::PublishedRound round{
      .facts = evidence_->facts,
      .transcript = evidence_->transcript,
      .votes = evidence_->votes,
      .opening = evidence_->opening,
      .sums = {},
      .ring_root = record_.ring_root,
      .untagged = [this](uint16_t member) { return UntaggedVector(member); },
      .cancel = context_.cancel};
  HILUM_ASSIGN_OR_RETURN(const secagg::VerifiedMessages messages, secagg::VerifyMessages(round));
  HILUM_ASSIGN_OR_RETURN(const Bytes sum,
                         Fetch(record_.masked->sum_object, privacy::SumObjectBytes(config_)));
  HILUM_ASSIGN_OR_RETURN(const std::vector<uint64_t> sums, privacy::UnpackSum(sum, config_));
  round.sums = sums;
  if (context_.options.verify == "tags") {
    HILUM_RETURN_IF_ERROR(secagg::VerifySum(round, messages));
    return "tags";
  }
  if (context_.options.verify == "sampled" && !proto::IsAdaptive(plan_.strategy)) {
    const auto n_members = static_cast<uint32_t>(round.transcript.members.size());
    HILUM_ASSIGN_OR_RETURN(
        privacy::RingSample sample,
        secagg::VerifySampled(round, messages, privacy::DrawChunks(config_, n_members),
                              kernels::Device::kCpu));
    HILUM_RETURN_IF_ERROR(CheckSampledModel(std::move(sample)));
    return "sampled";
  }
  HILUM_ASSIGN_OR_RETURN(privacy::RingTotal total,
                         secagg::VerifyRound(round, messages, kernels::Device::kCpu));
  // The server's moments do not come to the sites; `hilum ledger audit` follows them.
  if (proto::IsAdaptive(plan_.strategy)) return "sum";
  HILUM_RETURN_IF_ERROR(DeriveModel(std::move(total)));
  return "full";
}

}  // namespace

bool IsContradiction(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsInvalidArgument(status) || absl::IsNotFound(status);
}

absl::Status OwnFault(const absl::Status& status) {
  if (!IsContradiction(status)) return status;
  return absl::InternalError(absl::StrCat("this site's own records: ", status.message()));
}

absl::StatusOr<std::string> VerifyPublishedSum(const RoundContext& context,
                                               const ledger_anchor::RoundRecord& record) {
  return PublishedSum(context, record).Verify();
}

}  // namespace hilum::client
