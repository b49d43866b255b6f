#include "tests/aggregator/masked_site.h"

#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "privacy/secagg/r2_messages.h"
#include "privacy/transcript.h"
#include "tests/privacy/fixtures.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

absl::Status AsStatus(const grpc::Status& status) {
  return proto::FromGrpcStatus(status, "the server");
}

privacy::SiteFloors FloorsOf(const privacy::RoundConfig& config) {
  privacy::SiteFloors floors{.architectures = {config.architecture_digest},
                             .n_params = config.n_params,
                             .model_hash = config.model_hash};
  for (const privacy::RosterEntry& entry : config.roster) floors.roster.push_back(entry.key);
  return floors;
}

double CpuSince(std::clock_t started) {
  return static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
}

template <class Message>
void SetPlace(const OpenRound& open, Flight flight, Message& message) {
  message.set_job(open.notice.job());
  message.set_round(open.notice.round());
  message.set_attempt(open.notice.attempt());
  message.set_flight(NumberOf(flight));
}

}  // namespace

proto::RoundPlan MaskedPlan(const std::string& job, int64_t n_params, int grace_s) {
  proto::RoundPlan plan = MakePlan(job, n_params);
  plan.cohort.minimum = 5;
  plan.cohort.grace_s = grace_s;
  plan.aggregation.mode = "masked";
  plan.aggregation.suite = "chacha20";
  return plan;
}

privacy::NoisedDelta InputOf(const OpenRound& open) {
  const privacy::RoundConfig& config = open.config;
  std::vector<float> delta = privacy::RandomDelta(config.n_params, open.site_index);
  auto clipped = privacy::ClipToNorm(privacy::ModelDeltaTestPeer::Make(delta), config.clip_l2);
  HILUM_CHECK(clipped.ok());
  const bool is_private = config.unit != privacy::PrivacyUnit::kNone;
  auto weighted = privacy::Weight(*std::move(clipped),
                                  {.weight = is_private ? config.max_weight : 10u + open.site_index,
                                   .max_weight = config.max_weight});
  HILUM_CHECK(weighted.ok());
  auto quantized = privacy::Quantize(*std::move(weighted), config, {.loss = 0.5},
                                     privacy::Stream(open.site_index));
  HILUM_CHECK(quantized.ok());
  auto noised = privacy::AddNoise(*std::move(quantized), config);
  HILUM_CHECK(noised.ok());
  return *std::move(noised);
}

std::vector<uint32_t> PlainWordsOf(const OpenRound& open) {
  privacy::RoundConfig config = open.config;
  config.mode = privacy::RoundMode::kOpen;
  config.suite = privacy::Suite::kNone;
  const auto words = privacy::Mask(InputOf(open), config);
  HILUM_CHECK(words.ok());
  return {words->words().begin(), words->words().end()};
}

absl::Status MaskedSite::Begin(const std::string& job, uint64_t round, uint32_t attempt) {
  HILUM_RETURN_IF_ERROR(site_
                            ->WaitFor([&](const wire::SiteSnapshot& snapshot) {
                              return std::any_of(snapshot.rounds().begin(), snapshot.rounds().end(),
                                                 [&](const wire::RoundNotice& notice) {
                                                   return notice.job() == job &&
                                                          notice.round() == round &&
                                                          notice.attempt() == attempt;
                                                 });
                            })
                            .status());
  HILUM_ASSIGN_OR_RETURN(open_, site_->WaitForRound(job, round));
  HILUM_ASSIGN_OR_RETURN(context_,
                         secagg::Context::Create({.config = open_.config,
                                                  .attempt = static_cast<uint8_t>(attempt),
                                                  .server_key = server_key_}));
  HILUM_ASSIGN_OR_RETURN(auto step,
                         secagg::SiteAdvertised::Start({.context = context_,
                                                        .index = open_.site_index,
                                                        .signing_key = &site_->entry_key(),
                                                        .floors = FloorsOf(open_.config),
                                                        .last_rid = {},
                                                        .site_secret = {},
                                                        .psks = {},
                                                        .entropy = secagg::SiteEntropy::Draw()}));
  HILUM_ASSIGN_OR_RETURN(last_, std::move(step.out).ReleaseAfter(absl::OkStatus()));
  state_ = std::move(step.next);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> MaskedSite::Fetch(Flight flight) {
  wire::FlightRequest request;
  SetPlace(open_, flight, request);
  grpc::ClientContext context;
  const auto reader = site_->stub().FetchFlight(&context, request);
  Bytes message;
  wire::FlightPart part;
  while (reader->Read(&part)) AppendText(message, part.data());
  HILUM_RETURN_IF_ERROR(AsStatus(reader->Finish()));
  return message;
}

absl::StatusOr<wire::FlightReceipt> MaskedSite::Send(Flight flight, const Bytes& message) {
  wire::FlightMessage request;
  SetPlace(open_, flight, request);
  request.set_message(std::string(AsText(message)));
  // A small round is faster than the messages a second that a server takes of a site.
  for (int i = 0;; ++i) {
    wire::FlightReceipt receipt;
    grpc::ClientContext context;
    const absl::Status sent = AsStatus(site_->stub().SendFlight(&context, request, &receipt));
    if (sent.ok()) return receipt;
    if (!absl::IsResourceExhausted(sent) || i == 10) return sent;
    absl::SleepFor(absl::Milliseconds(200));
  }
}

absl::StatusOr<wire::FlightReceipt> MaskedSite::Repeat() { return Send(last_flight_, last_); }

// The step of the protocol that the server's message of `flight` asks for.
absl::Status MaskedSite::Take(Flight flight, const Bytes& down) {
  auto state = std::exchange(state_, std::monostate());
  const auto next = [&](auto step) {
    last_ = std::move(step.message);
    state_ = std::move(step.next);
  };
  const auto durable = [&](auto step) {
    last_ = std::move(step.out).ReleaseAfter(absl::OkStatus()).value();
    state_ = std::move(step.next);
  };
  if (auto* advertised = std::get_if<secagg::SiteAdvertised>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*advertised).TakeKeyList(down));
    next(std::move(step));
  } else if (auto* revealed = std::get_if<secagg::SiteRevealed>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*revealed).TakeU1(down));
    next(std::move(step));
  } else if (auto* shared = std::get_if<secagg::SiteShared>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*shared).TakeDelivery(down));
    next(std::move(step));
  } else if (auto* acknowledged = std::get_if<secagg::SiteAcknowledged>(&state)) {
    HILUM_ASSIGN_OR_RETURN(state_, std::move(*acknowledged).TakeU2(down));
  } else if (auto* masked = std::get_if<secagg::SiteMasked>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*masked).TakeTranscript(down, {}));
    durable(std::move(step));
  } else if (auto* voted = std::get_if<secagg::SiteVoted>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*voted).TakeVotes(down));
    transcript_hash_ = step.next.transcript_hash();
    durable(std::move(step));
  } else {
    return absl::InternalError("the site has no state for this flight");
  }
  last_flight_ = flight;
  return absl::OkStatus();
}

absl::Status MaskedSite::MaskVector() {
  auto state = std::exchange(state_, std::monostate());
  auto* ready = std::get_if<secagg::SiteReady>(&state);
  if (ready == nullptr) return absl::InternalError("the site does not know U2");
  const absl::Time begun = absl::Now();
  privacy::NoisedDelta input = InputOf(open_);
  cost_.input_s += absl::ToDoubleSeconds(absl::Now() - begun);
  const std::clock_t started = std::clock();
  HILUM_ASSIGN_OR_RETURN(auto step,
                         std::move(*ready).MaskInput(std::move(input), kernels::Device::kCpu));
  cost_.steps_cpu_s += CpuSince(started);
  HILUM_ASSIGN_OR_RETURN(upload_, std::move(step.upload).ReleaseAfter(absl::OkStatus()));
  state_ = std::move(step.next);
  return absl::OkStatus();
}

absl::StatusOr<wire::UpdateReceipt> MaskedSite::Submit(const UpdateChanges& changes) {
  const auto opened = secagg::OpenFrame(*context_, upload_->Close());
  const auto close = secagg::DecodeMaskedInputClose(opened->body);
  UpdateChanges with = changes;
  with.close = [&](wire::UpdateClose& out) {
    out.set_root(close->fields.root.data(), 32);
    out.set_signature(close->signature.bytes.data(), 64);
    if (changes.close) changes.close(out);
  };
  return site_->Submit(open_, {upload_->words().begin(), upload_->words().end()}, with);
}

absl::Status MaskedSite::AnswerWithoutSending(Flight flight) {
  HILUM_RETURN_IF_ERROR(site_
                            ->WaitFor([&](const wire::SiteSnapshot& snapshot) {
                              return std::any_of(snapshot.rounds().begin(), snapshot.rounds().end(),
                                                 [&](const wire::RoundNotice& notice) {
                                                   return notice.job() == open_.notice.job() &&
                                                          notice.round() == open_.notice.round() &&
                                                          notice.attempt() ==
                                                              open_.notice.attempt() &&
                                                          notice.flight() == NumberOf(flight);
                                                 });
                            })
                            .status());
  if (flight != Flight::kAdvertise) {
    HILUM_ASSIGN_OR_RETURN(const Bytes down, Fetch(flight));
    const std::clock_t started = std::clock();
    HILUM_RETURN_IF_ERROR(Take(flight, down));
    cost_.steps_cpu_s += CpuSince(started);
  }
  return flight == Flight::kVector ? MaskVector() : absl::OkStatus();
}

absl::Status MaskedSite::Answer(Flight flight) {
  HILUM_RETURN_IF_ERROR(AnswerWithoutSending(flight));
  return flight == Flight::kVector ? Submit().status() : Send(flight, last_).status();
}

MaskedSites::MaskedSites(TestFederation& federation, int n) : sites(federation.AddSites(n)) {
  for (const auto& site : sites) {
    masked.emplace_back(site.get(), federation.server().identity().entry_key);
  }
}

absl::Status MaskedSites::Begin(const std::string& job, uint64_t round, uint32_t attempt) {
  for (size_t i = 0; i < masked.size(); ++i) {
    if (!silent.contains(i)) HILUM_RETURN_IF_ERROR(masked[i].Begin(job, round, attempt));
  }
  return absl::OkStatus();
}

absl::Status MaskedSites::Answer(Flight flight) {
  for (size_t i = 0; i < masked.size(); ++i) {
    if (!silent.contains(i)) HILUM_RETURN_IF_ERROR(masked[i].Answer(flight));
  }
  return absl::OkStatus();
}

absl::Status MaskedSites::AnswerFrom(Flight first, Flight last) {
  for (Flight flight = first; NumberOf(flight) <= NumberOf(last); flight = After(flight)) {
    HILUM_RETURN_IF_ERROR(Answer(flight));
  }
  return absl::OkStatus();
}

}  // namespace hilum::aggregator
