#include "client/masked_round.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/backoff.h"
#include "crypto/hash.h"
#include "privacy/secagg/journal.h"

namespace hilum::client {

namespace secagg = privacy::secagg;

namespace {

absl::Status Over() { return absl::CancelledError("the round is over"); }

// One counter a job: two jobs of a federation may be at the same round.
std::string RidName(const std::string& job) { return absl::StrCat("secagg/rid/", job); }

absl::StatusOr<std::optional<crypto::Rid>> LastRid(State& state, const std::string& job) {
  HILUM_ASSIGN_OR_RETURN(const std::string text, state.Value(RidName(job)));
  if (text.empty()) return std::optional<crypto::Rid>();
  const absl::StatusOr<Bytes> bytes = FromHex(text);
  if (!bytes.ok()) {
    return absl::DataLossError(absl::StrCat("the newest masked round of job ", job,
                                            " in this site's database is damaged."));
  }
  HILUM_ASSIGN_OR_RETURN(const crypto::Rid rid, secagg::DecodeRidRecord(*bytes));
  return std::optional<crypto::Rid>(rid);
}

}  // namespace

MaskedRound::MaskedRound(Options options) : options_(std::move(options)) {}

void MaskedRound::Update(const RoundNotice& notice) {
  {
    const std::lock_guard lock(mutex_);
    notice_ = notice;
  }
  changed_.notify_all();
}

void MaskedRound::Cancel() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
}

bool MaskedRound::IsAccepted() {
  const std::lock_guard lock(mutex_);
  return notice_.update_accepted;
}

FlightPlace MaskedRound::PlaceOf(Flight flight) const {
  return {.job = options_.facts.job,
          .round = options_.facts.round,
          .attempt = options_.facts.attempt,
          .flight = NumberOf(flight)};
}

// The notice once the server is at the flight. A site that has answered every flight so far is
// never skipped.
absl::StatusOr<RoundNotice> MaskedRound::WaitFor(Flight flight) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return cancelled_ || notice_.flight >= NumberOf(flight); });
  if (cancelled_) return Over();
  if (notice_.flight == NumberOf(flight)) return notice_;
  return absl::FailedPreconditionError(absl::StrCat("the masked round went on to flight ",
                                                    notice_.flight, " before this site ",
                                                    "answered flight ", NumberOf(flight)));
}

// Waits before another try, unless the round goes on meanwhile.
absl::Status MaskedRound::Pause(uint32_t n_tries) {
  Backoff backoff;
  int64_t wait_ms = 0;
  for (uint32_t i = 0; i <= std::min(n_tries, 8U); ++i) wait_ms = backoff.NextMs(RandomWord());
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return cancelled_; });
  return cancelled_ ? Over() : absl::OkStatus();
}

absl::StatusOr<Bytes> MaskedRound::Fetch(Flight flight) {
  for (uint32_t n_tries = 0;; ++n_tries) {
    HILUM_ASSIGN_OR_RETURN(const RoundNotice notice, WaitFor(flight));
    if (notice.flight_bytes > kFlightLimitBytes) {
      return absl::DataLossError(absl::StrCat("the server's message of flight ", notice.flight,
                                              " has ", notice.flight_bytes, " bytes, the limit is ",
                                              kFlightLimitBytes));
    }
    absl::StatusOr<Bytes> message = options_.fetch(PlaceOf(flight), notice.flight_bytes);
    if (message.ok()) {
      if (crypto::Sha256(*message) == notice.flight_digest) return message;
      return absl::DataLossError(absl::StrCat("the server sent another message of flight ",
                                              notice.flight, " than it announced"));
    }
    if (!MayMend(message.status())) return message.status();
    HILUM_RETURN_IF_ERROR(Pause(n_tries));
  }
}

// Until the server has it. The same bytes each time.
absl::Status MaskedRound::Send(Flight flight, ByteView message) {
  for (uint32_t n_tries = 0;; ++n_tries) {
    const absl::Status sent = options_.send(PlaceOf(flight), message);
    if (sent.ok()) {
      Log(LogLevel::kInfo, "flight answered",
          {{"job", options_.facts.job},
           {"round", options_.facts.round},
           {"attempt", options_.facts.attempt},
           {"flight", NameOf(flight)}});
      return sent;
    }
    if (!MayMend(sent)) return sent;
    HILUM_RETURN_IF_ERROR(Pause(n_tries));
  }
}

absl::Status MaskedRound::Keep(absl::string_view kind, ByteView record) {
  const UpdateFacts& facts = options_.facts;
  return options_.state->PutMasked({.job = facts.job,
                                    .round = facts.round,
                                    .attempt = facts.attempt,
                                    .kind = std::string(kind),
                                    .record = Bytes(record.begin(), record.end())});
}

absl::StatusOr<secagg::SiteAdvertised> MaskedRound::Advertise() {
  secagg::SiteAdvertised::Options start{.context = options_.context,
                                        .index = options_.facts.site_index,
                                        .signing_key = options_.key,
                                        .floors = options_.floors,
                                        .last_rid = {},
                                        .site_secret = options_.site_secret.Copy(),
                                        .psks = {},
                                        .entropy = secagg::SiteEntropy::Draw()};
  HILUM_ASSIGN_OR_RETURN(start.last_rid, LastRid(*options_.state, options_.facts.job));
  HILUM_ASSIGN_OR_RETURN(auto step, secagg::SiteAdvertised::Start(std::move(start)));
  const absl::Status written =
      options_.state->PutValue(RidName(options_.facts.job), ToHex(step.out.durable()));
  HILUM_ASSIGN_OR_RETURN(const Bytes message, std::move(step.out).ReleaseAfter(written));
  HILUM_RETURN_IF_ERROR(WaitFor(Flight::kAdvertise).status());
  HILUM_RETURN_IF_ERROR(Send(Flight::kAdvertise, message));
  return std::move(step.next);
}

absl::Status MaskedRound::Prepare() {
  HILUM_ASSIGN_OR_RETURN(secagg::SiteAdvertised advertised, Advertise());
  HILUM_ASSIGN_OR_RETURN(const Bytes key_list, Fetch(Flight::kReveal));
  HILUM_ASSIGN_OR_RETURN(auto revealed, std::move(advertised).TakeKeyList(key_list));
  HILUM_RETURN_IF_ERROR(Send(Flight::kReveal, revealed.message));
  HILUM_ASSIGN_OR_RETURN(const Bytes u1, Fetch(Flight::kShare));
  HILUM_ASSIGN_OR_RETURN(auto shared, std::move(revealed.next).TakeU1(u1));
  HILUM_RETURN_IF_ERROR(Send(Flight::kShare, shared.message));
  HILUM_ASSIGN_OR_RETURN(const Bytes delivery, Fetch(Flight::kAcknowledge));
  HILUM_ASSIGN_OR_RETURN(auto acknowledged, std::move(shared.next).TakeDelivery(delivery));
  HILUM_RETURN_IF_ERROR(Send(Flight::kAcknowledge, acknowledged.message));
  HILUM_ASSIGN_OR_RETURN(const Bytes u2, Fetch(Flight::kVector));
  HILUM_ASSIGN_OR_RETURN(secagg::SiteReady ready, std::move(acknowledged.next).TakeU2(u2));
  state_ = std::move(ready);
  return absl::OkStatus();
}

absl::StatusOr<SignedUpdate> MaskedRound::Mask(privacy::NoisedDelta input, RoundRecord& record) {
  auto state = std::exchange(state_, std::monostate());
  auto* ready = std::get_if<secagg::SiteReady>(&state);
  if (ready == nullptr) return absl::InternalError("the masked round is not at its vectors");
  HILUM_ASSIGN_OR_RETURN(auto step,
                         std::move(*ready).MaskInput(std::move(input), kernels::Device::kCpu));
  // y_i and its facts are on disk before any of it leaves.
  const absl::Status written = [&]() -> absl::Status {
    if (options_.charge) HILUM_RETURN_IF_ERROR(options_.charge());
    HILUM_RETURN_IF_ERROR(StoreMasked(options_.outbox, step.upload, options_.context->config(),
                                      options_.facts, record));
    HILUM_RETURN_IF_ERROR(Keep("input", step.upload.record()));
    return options_.state->PutRound(record);
  }();
  HILUM_ASSIGN_OR_RETURN(secagg::Upload upload, std::move(step.upload).ReleaseAfter(written));
  state_ = std::move(step.next);
  return SignedUpdate::Of(std::move(upload), *options_.context, options_.facts);
}

// The vote's record, and the row that the cohort guard has from now on.
absl::Status MaskedRound::KeepVote(ByteView bytes) {
  HILUM_ASSIGN_OR_RETURN(const secagg::VoteRecord vote, secagg::DecodeVoteRecord(bytes));
  return options_.state->Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(Keep("vote", bytes));
    return options_.state->PutSum(secagg::RowOf(options_.context->config(), vote.u3));
  });
}

absl::Status MaskedRound::Vote(secagg::SiteMasked masked) {
  HILUM_ASSIGN_OR_RETURN(const Bytes transcript, Fetch(Flight::kVote));
  HILUM_ASSIGN_OR_RETURN(const std::vector<secagg::SumRow> earlier,
                         options_.state->Sums(options_.context->config().model_hash));
  HILUM_ASSIGN_OR_RETURN(auto voted, std::move(masked).TakeTranscript(transcript, earlier));
  const absl::Status vote_written = KeepVote(voted.out.durable());
  HILUM_ASSIGN_OR_RETURN(const Bytes vote, std::move(voted.out).ReleaseAfter(vote_written));
  HILUM_RETURN_IF_ERROR(Send(Flight::kVote, vote));

  HILUM_ASSIGN_OR_RETURN(const Bytes votes, Fetch(Flight::kAnswer));
  HILUM_ASSIGN_OR_RETURN(auto answered, std::move(voted.next).TakeVotes(votes));
  const absl::Status answer_written = Keep("answer", answered.out.durable());
  HILUM_ASSIGN_OR_RETURN(Bytes answer, std::move(answered.out).ReleaseAfter(answer_written));
  state_ = std::move(answered.next);
  const absl::Status sent = Send(Flight::kAnswer, answer);
  crypto::Wipe(answer);
  return sent;
}

absl::Status MaskedRound::Finish() {
  auto state = std::exchange(state_, std::monostate());
  auto* masked = std::get_if<secagg::SiteMasked>(&state);
  if (masked == nullptr) return absl::InternalError("the masked round is not at its votes");
  return Vote(std::move(*masked));
}

}  // namespace hilum::client
