#include "tests/client/round_site.h"

#include "aggregator/outcome.h"
#include "base/check.h"
#include "client/import.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/proof.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

constexpr int64_t kNow = 1767000500;  // the federation's entries are of 1767000000

ledger_anchor::TreeHashes TreeOf(const std::vector<std::string>& texts, size_t n) {
  ledger_anchor::TreeHashes tree;
  for (size_t i = 0; i < n; ++i) tree.Add(crypto::LeafHash(AsBytes(texts[i])));
  return tree;
}

}  // namespace

RoundSite::RoundSite(size_t n_films) {
  federation.Start();
  plan = SmallPlan(ledger_anchor::Federation::kStudy);
  plan_bytes = proto::EncodeRoundPlan(plan).value();
  base = VersionZero(plan);
  folder.root = NewFolder("round-site");
  options.site = "hospital-a";
  options.allow_open = true;
  HILUM_EXPECT_OK(LedgerGate::Pin(folder.ledger(),
                                  ledger_anchor::MakePolicyWithoutWitnesses(federation.LogVkey()),
                                  federation.ServerKey().public_key()));
  ReopenState();
  ImportOptions import;
  import.source = MakeSource("hospital-a", n_films);
  import.profile = "cxr96";
  import.now_s = kNow;
  HILUM_EXPECT_OK(Import(*state, FilmCache(folder.cache()), TestSecret(), import));
  Approve(plan_bytes);
}

void RoundSite::ReopenState() {
  state.reset();
  state = State::Open(folder.database()).value();
}

void RoundSite::Approve(const std::string& bytes) {
  JobRecord job;
  job.job = plan.job;
  job.plan = job.answered_plan = bytes;
  job.answer = Answer::kApproved;
  job.answered_by = "operator";
  HILUM_EXPECT_OK(state->PutJob(job));
}

privacy::RoundConfig RoundSite::Config() const {
  const std::vector<aggregator::RosterSite> roster = {
      {SiteId{"hospital-a"}, federation.SiteKey("hospital-a").public_key()},
      {SiteId{"hospital-b"}, federation.SiteKey("hospital-b").public_key()}};
  const ledger_anchor::StudyState study = federation.state.chain().Study(plan.job);
  return aggregator::MakeRoundConfig({.plan = plan,
                                      .plan_bytes = plan_bytes,
                                      .round = RoundId{study.round + 1},
                                      .base_model = crypto::Sha256(base),
                                      .roster = roster,
                                      .federation_id = ledger_anchor::FederationId(
                                          ledger_anchor::Federation::kOrigin,
                                          ledger_anchor::FormatVerifierKey(federation.LogVkey())),
                                      .ledger_head = {},
                                      .audit_days = 30})
      .value();
}

void RoundSite::OpenRound() { OpenRoundWith(Config()); }

void RoundSite::OpenRoundWith(privacy::RoundConfig with) {
  OpenRoundWith(std::move(with), {"hospital-a", "hospital-b"});
}

void RoundSite::OpenRoundWith(privacy::RoundConfig with, const std::vector<std::string>& names) {
  config = std::move(with);
  ledger_anchor::Entry entry = federation.OpenDraft();
  auto& open = std::get<ledger_anchor::RoundOpen>(entry.body);
  open.base_model = crypto::Sha256(base);
  open.cfg = privacy::HashConfig(config);
  std::string annex;
  open.cohort = ledger_anchor::MakeNameList(names, &annex).value();
  if (open.cohort.annex) objects[*open.cohort.annex] = Bytes(annex.begin(), annex.end());
  open_index = federation.texts.size();
  federation.Add(entry);
}

void RoundSite::CloseRound() {
  ledger_anchor::Entry entry = federation.CloseDraft();
  std::get<ledger_anchor::RoundClose>(entry.body).model = crypto::Sha256(base);
  close_index = federation.texts.size();
  federation.Add(entry);
}

std::string RoundSite::Proof(size_t index, size_t size) const {
  if (size == 0) size = federation.texts.size();
  const ledger_anchor::TreeHashes tree = TreeOf(federation.texts, size);
  return ledger_anchor::FormatTlogProof(
      {federation.texts[index], index,
       ledger_anchor::ProveInclusion(index, size, tree.reader()).value(),
       ledger_anchor::SignCheckpoint({.origin = ledger_anchor::Federation::kOrigin,
                                      .size = size,
                                      .root = tree.Root(),
                                      .extensions = {}},
                                     federation.LogKey())});
}

ledger_anchor::HashList RoundSite::Consistency(uint64_t old_size, uint64_t new_size) const {
  return ledger_anchor::ProveConsistency(old_size, new_size,
                                         TreeOf(federation.texts, new_size).reader())
      .value();
}

RoundNotice RoundSite::Notice() const {
  RoundNotice notice;
  notice.job = plan.job;
  notice.round = config.round;
  notice.config = privacy::EncodeRoundConfig(config);
  notice.plan = plan_bytes;
  notice.open_proof = Proof(open_index);
  if (config.round > 1) notice.close_proof = Proof(close_index);
  return notice;
}

absl::StatusOr<SignedUpdate> RoundSite::Take(const RoundNotice& notice) {
  const crypto::SigningKey key = Key();
  const SiteSecret secret = TestSecret();
  HILUM_ASSIGN_OR_RETURN(LedgerGate gate, LedgerGate::Open(folder.ledger(), {}));
  const RoundContext context{
      .folder = folder,
      .options = options,
      .state = *state,
      .gate = gate,
      .secret = secret,
      .key = key,
      .now_s = kNow,
      .prove = [&](uint64_t old_size, uint64_t new_size)
          -> absl::StatusOr<ledger_anchor::HashList> { return Consistency(old_size, new_size); },
      .fetch_rotation = fetch_rotation,
      .fetch_model = [&](const Digest&, uint64_t) -> absl::StatusOr<Bytes> {
        ++n_fetched;
        return base;
      },
      .fetch_object = [&](const RoundObject& object, uint64_t) -> absl::StatusOr<Bytes> {
        const auto found = objects.find(object.sha256);
        if (found == objects.end()) return absl::NotFoundError("no such object");
        return found->second;
      },
      .on_training =
          [&](uint32_t now) {
            percent = now;
            if (++n_steps == cancel_at) cancel = true;
          },
      .cancel = &cancel};
  return TakePart(context, notice);
}

RoundRecord RoundSite::Record() {
  return state->Round(plan.job, config.round, 0).value().value_or(RoundRecord{});
}

}  // namespace hilum::client
