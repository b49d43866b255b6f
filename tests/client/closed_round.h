// One masked round that is over, for tests of a site's check of it. The server signs everything
// itself, so that lies can be valid in form.
#ifndef HILUM_TESTS_CLIENT_CLOSED_ROUND_H_
#define HILUM_TESTS_CLIENT_CLOSED_ROUND_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aggregator/outcome.h"
#include "client/round_check.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/updates.h"
#include "privacy/secagg/journal.h"
#include "privacy/sum_object.h"
#include "proto/safetensors.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/privacy/secagg/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::client {

inline constexpr int64_t kRoundOverAt = 1767000500;
inline constexpr char kCheckedJob[] = "cxr-1";

// One masked round of six sites with ten parameters, seen from hospital-a (index 0). Tests change
// what the server publishes before Publish signs and logs it.
class RoundCheck : public ::testing::Test {
 protected:
  static constexpr int kSites = 6;

  void SetUp() override {
    MakePlan();
    RunRound();
    folder_.root = NewFolder("round-check");
    options_.site = "hospital-a";
    HILUM_ASSERT_OK(LedgerGate::Pin(folder_.ledger(),
                                    ledger_anchor::MakePolicyWithoutWitnesses(log_.LogVkey()),
                                    privacy::secagg::ServerKey().public_key()));
    HILUM_ASSERT_OK_AND_ASSIGN(state_, State::Open(folder_.database()));
    RememberOwnPart();
  }

  virtual proto::StrategyPlan Strategy() const { return {}; }

  void MakePlan() {
    plan_ = SmallPlan(kCheckedJob);
    plan_.aggregation.mode = "masked";
    plan_.aggregation.suite = "chacha20";
    plan_.aggregation.clip_l2 = 1;
    plan_.cohort.minimum = 5;
    plan_.strategy = Strategy();
    plan_.spec = {.architecture = "covidnet-nano",
                  .tensors = {{.name = "w", .shape = {10}, .offset = 0, .size = 10}}};
    plan_bytes_ = proto::EncodeRoundPlan(plan_).value();
    const std::vector<float> weights(10, 0.5F);
    base_ = proto::EncodeSafetensors(plan_.spec, weights, {{"round", "0"}}).value();
    std::vector<aggregator::RosterSite> roster;
    for (int i = 0; i < kSites; ++i) {
      names_.push_back(std::string("hospital-") + static_cast<char>('a' + i));
      roster.push_back(
          {SiteId{names_.back()}, privacy::MemberKey(static_cast<uint16_t>(i)).public_key()});
    }
    config_ = aggregator::MakeRoundConfig({.plan = plan_,
                                           .plan_bytes = plan_bytes_,
                                           .round = RoundId{1},
                                           .base_model = crypto::Sha256(base_),
                                           .roster = roster,
                                           .federation_id = privacy::FederationId(
                                               ledger_anchor::Federation::kOrigin,
                                               ledger_anchor::FormatVerifierKey(log_.LogVkey())),
                                           .ledger_head = {},
                                           .audit_days = 30})
                  .value();
  }

  // hospital-f does not answer in the end, so its whole vector is published.
  void RunRound() {
    round_.emplace(config_);
    round_->RunTo(privacy::secagg::Federation::kTranscript);
    for (const auto& [member, upload] : round_->uploads) {
      const auto words = upload.words();
      const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
      vectors_[member] = Bytes(bytes, bytes + words.size_bytes());
    }
    round_->RunTo(privacy::secagg::Federation::kVoteList);
    round_->Drop(5);
    round_->RunTo(privacy::secagg::Federation::kOpened);
    ASSERT_TRUE(round_->opened.has_value());
    const privacy::secagg::OpenedRound& opened = *round_->opened;
    sums_ = opened.sums;
    const privacy::Transcript& transcript = opened.transcript;
    const privacy::secagg::Context& context = *round_->context;
    const auto body = [&context](const Bytes& message) {
      const ByteView view = privacy::secagg::BodyOf(context, message);
      return Bytes(view.begin(), view.end());
    };
    record_ = {.job = kCheckedJob,
               .round = 1,
               .attempt = 0,
               .config = privacy::HashConfig(config_),
               .config_object = Put(privacy::EncodeRoundConfig(config_)),
               .plan = Put(Bytes(plan_bytes_.begin(), plan_bytes_.end())),
               .transcript = privacy::EncodeTranscript(transcript),
               .transcript_hash = privacy::secagg::HashOf(context, transcript),
               .transcript_signature = {},
               .sum_root = transcript.sum_root,
               .ring_root = {},
               .base_model = crypto::Sha256(base_),
               .model = {},
               .updates = {},
               .dropped = {}};
    for (const privacy::TranscriptMember& member : transcript.members) {
      record_.updates.push_back({.site_index = member.index,
                                 .root = member.root,
                                 .signature = member.signature,
                                 .object = Put(vectors_.at(member.index))});
    }
    record_.masked =
        ledger_anchor::MaskedEvidence{.key_list = body(round_->key_list),
                                      .u1 = body(round_->u1),
                                      .u2 = body(round_->u2),
                                      .complaints = {},
                                      .votes = body(round_->vote_list),
                                      .opening = Encode(opened.opening),
                                      .sum_object = Put(privacy::PackSum(sums_, config_))};
    aggregator::RoundOutcome outcome =
        aggregator::OutcomeOfRing({.config = config_, .attempt = 0, .transcript = transcript},
                                  std::move(round_->opened->total),
                                  proto::ParseSafetensorsAs(base_, plan_.spec).value(),
                                  {.strategy = plan_.strategy,
                                   .job = JobId{kCheckedJob},
                                   .round = RoundId{1},
                                   .origin = ledger_anchor::Federation::kOrigin})
            .value();
    record_.ring_root = outcome.ring_root;
    record_.model = outcome.model.sha256();
    model_ = Bytes(outcome.model.file().begin(), outcome.model.file().end());
  }

  // What the site had on disk when the round was over.
  void RememberOwnPart() {
    JobRecord job;
    job.job = kCheckedJob;
    job.plan = job.answered_plan = plan_bytes_;
    job.answer = Answer::kApproved;
    HILUM_ASSERT_OK(state_->PutJob(job));
    RoundRecord own;
    own.job = kCheckedJob;
    own.round = 1;
    own.phase = "accepted";
    own.root = record_.updates[0].root;
    const auto& signature = record_.updates[0].signature.bytes;
    own.signature = Bytes(signature.begin(), signature.end());
    own.n_bytes = 52;
    HILUM_ASSERT_OK(state_->PutRound(own));
    RememberVote(record_.transcript_hash);
  }
  // In the place of the vote of RememberOwnPart().
  void RememberVote(const Digest& transcript_hash) {
    const privacy::secagg::VoteRecord vote{.rid = round_->context->rid(),
                                           .transcript_hash = transcript_hash,
                                           .nonce = {},
                                           .model_hash = config_.model_hash,
                                           .n = kSites,
                                           .u3 = {0, 1, 2, 3, 4, 5}};
    const MaskedRow row{
        .job = kCheckedJob, .round = 1, .attempt = 0, .kind = "vote", .record = Encode(vote)};
    HILUM_ASSERT_OK(state_->EraseMasked(row));
    HILUM_ASSERT_OK(state_->PutMasked(row));
  }

  Digest Put(Bytes bytes) {
    const Digest digest = crypto::Sha256(bytes);
    objects_[digest] = std::move(bytes);
    return digest;
  }

  std::string Log(ledger_anchor::EntryBody body) {
    ledger_anchor::Entry entry;
    entry.by = "aggregator";
    entry.t = kRoundOverAt;
    entry.key = crypto::KeyDigest(privacy::secagg::ServerKey().public_key());
    entry.study = kCheckedJob;
    entry.body = std::move(body);
    entries_.push_back(
        ledger_anchor::SignEntry(std::move(entry), log_.kOrigin, privacy::secagg::ServerKey())
            .value());
    return entries_.back();
  }

  // Logs both entries of the round; `counted` are indices of names_.
  void Publish(const std::string& status = "ok") {
    ledger_anchor::RoundOpen open{.round = 1,
                                  .prev = ledger_anchor::H("genesis"),
                                  .base_model = record_.base_model,
                                  .cfg = privacy::HashConfig(config_),
                                  .build = ledger_anchor::H("build"),
                                  .cohort = {.n = kSites, .items = names_, .annex = {}},
                                  .deadline = kRoundOverAt + 100};
    const std::string opened = Log(open);
    ledger_anchor::RoundClose close;
    close.round = 1;
    close.prev = open.prev;
    close.open = crypto::LeafHash(AsBytes(opened));
    close.status = status;
    close.base_model = record_.base_model;
    close.model = status == "ok" ? record_.model : record_.base_model;
    close.rule = {"fedavg", ledger_anchor::H("rule")};
    close.build = open.build;
    std::vector<ledger_anchor::UpdateLeaf> leaves;
    if (status == "ok") {
      for (const auto& update : record_.updates) {
        leaves.push_back({update.site_index, update.root, update.signature});
        close.cohort.items.push_back(names_[update.site_index]);
      }
      const std::string text = ledger_anchor::EncodeRoundRecord(record_).value();
      close.secagg = {.suite = 2,
                      .cfg = open.cfg,
                      .transcript = record_.transcript_hash,
                      .evidence = Put(Bytes(text.begin(), text.end()))};
    }
    for (const std::string& name : names_) {
      const auto& counted = close.cohort.items;
      if (std::find(counted.begin(), counted.end(), name) == counted.end()) {
        close.dropped.items.push_back(name);
      }
    }
    close.cohort.n = close.cohort.items.size();
    close.dropped.n = close.dropped.items.size();
    close.updates = {leaves.size(), ledger_anchor::UpdatesRoot(leaves).value()};
    Log(close);
  }

  ledger_anchor::TreeHashes Tree(size_t n) const {
    ledger_anchor::TreeHashes tree;
    for (size_t i = 0; i < n; ++i) tree.Add(crypto::LeafHash(AsBytes(entries_[i])));
    return tree;
  }
  std::string Proof(size_t index) const {
    const ledger_anchor::TreeHashes tree = Tree(entries_.size());
    return ledger_anchor::FormatTlogProof(
        {entries_[index], index,
         ledger_anchor::ProveInclusion(index, tree.size(), tree.reader()).value(),
         ledger_anchor::SignCheckpoint({.origin = ledger_anchor::Federation::kOrigin,
                                        .size = tree.size(),
                                        .root = tree.Root(),
                                        .extensions = {}},
                                       log_.LogKey())});
  }

  absl::StatusOr<CheckRecord> Check() {
    const crypto::SigningKey key = privacy::MemberKey(0);
    const SiteSecret secret = TestSecret();
    HILUM_ASSIGN_OR_RETURN(LedgerGate gate, LedgerGate::Open(folder_.ledger(), {}));
    const RoundContext context{
        .folder = folder_,
        .options = options_,
        .state = *state_,
        .gate = gate,
        .secret = secret,
        .key = key,
        .now_s = now_s_,
        .prove = [&](uint64_t old_size,
                     uint64_t new_size) -> absl::StatusOr<ledger_anchor::HashList> {
          return ledger_anchor::ProveConsistency(old_size, new_size, Tree(new_size).reader());
        },
        .log_entry = [&](const std::string& entry) -> absl::StatusOr<uint64_t> {
          incidents_.push_back(entry);
          return 7;
        },
        .fetch_model = [&](const Digest& sha256, uint64_t) -> absl::StatusOr<Bytes> {
          return sha256 == crypto::Sha256(model_) ? model_ : base_;
        },
        .fetch_proof = [&](const std::string&, uint64_t,
                           const std::string& type) -> absl::StatusOr<std::string> {
          if (on_fetch_proof_) on_fetch_proof_();
          return Proof(type == "round-open" ? 0 : 1);
        },
        .fetch_object = [&](const RoundObject& object, uint64_t) -> absl::StatusOr<Bytes> {
          HILUM_RETURN_IF_ERROR(server_);
          ++n_fetched_;
          if (cancel_) ++n_after_cancel_;
          if (object.sha256 == cancel_at_) cancel_ = true;
          fetched_.insert(object.sha256);
          const auto found = objects_.find(object.sha256);
          if (found == objects_.end()) return absl::NotFoundError("no such object");
          return found->second;
        },
        .on_training = {},
        .cancel = &cancel_};
    return CheckClosedRound(context, kCheckedJob, 1);
  }
  // The server publishes no tag of any member.
  void HideTags() {
    auto opening = privacy::secagg::DecodeRoundOpening(record_.masked->opening).value();
    opening.tags.clear();
    record_.masked->opening = privacy::secagg::Encode(opening);
  }
  void ExpectFailed(const std::string& why) {
    HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
    EXPECT_EQ(check.verified, "failed");
    EXPECT_THAT(check.reason, ::testing::HasSubstr(why));
    EXPECT_THAT(HaltReason(*state_, kCheckedJob).value(), ::testing::HasSubstr(why));
  }

  ledger_anchor::Federation log_;  // for the log's key alone
  proto::RoundPlan plan_;
  std::string plan_bytes_;
  Bytes base_;
  std::vector<std::string> names_;
  privacy::RoundConfig config_;
  std::optional<privacy::secagg::Federation> round_;
  std::map<uint16_t, Bytes> vectors_;
  std::vector<uint64_t> sums_;
  Bytes model_;  // the new one
  ledger_anchor::RoundRecord record_;
  std::map<Digest, Bytes> objects_;
  std::vector<std::string> entries_;
  std::vector<std::string> incidents_;
  SiteFolder folder_;
  SiteOptions options_;
  std::unique_ptr<State> state_;
  absl::Status server_;
  int64_t now_s_ = kRoundOverAt;
  int n_fetched_ = 0;
  std::set<Digest> fetched_;
  Digest cancel_at_{};  // the object whose download the site is stopped in
  std::atomic<bool> cancel_ = false;
  int n_after_cancel_ = 0;
  std::function<void()> on_fetch_proof_;
};

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_CLOSED_ROUND_H_
