// A masked round of the size that the design is made for: 500 sites, 10 M parameters, of whom a
// fifth drops out after the shares and before its vector, so that the server has to take the masks
// out that they shared. Keys, shares, masks, tags, hashing, signatures and the store of vectors are
// the real ones of both ends; the network is a function call and nobody trains. Two sites verify in
// mode A, the others by the tags.
//
// Usage: secagg500 [--sites N] [--params P] [--dir DIR]
// One JSON document on standard output: seconds of each flight, those of all sites together (one
// after the other, each on all cores) and those of the server. DIR, by default the folder for
// temporary files, gets the vectors (4 bytes a parameter and counted site), and is emptied again.
// The sites' own copies are in memory, as many bytes again.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "aggregator/accumulate.h"
#include "aggregator/masked_attempt.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "kernels/cpu.h"
#include "ledger_anchor/store.h"
#include "privacy/secagg/r2_messages.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::aggregator {
namespace {

namespace secagg = privacy::secagg;

constexpr size_t kFullVerifiers = 2;
constexpr uint64_t kOtherMemoryBytes = uint64_t{2} << 30;

struct RunOptions {
  int n_sites = 500;
  int64_t n_params = 10'000'000;
  fs::path folder = fs::temp_directory_path();
};

struct FlightCost {
  double sites_s = 0;
  double server_s = 0;
};

template <class Work>
auto Timed(double& seconds, const Work& work) {
  const absl::Time started = absl::Now();
  auto result = work();
  seconds += absl::ToDoubleSeconds(absl::Now() - started);
  return result;
}

template <class Next>
Bytes MessageOf(secagg::Step<Next>& step) {
  return std::move(step.message);
}
template <class Next>
Bytes MessageOf(secagg::DurableStep<Next>& step) {
  return std::move(step.out).ReleaseAfter(absl::OkStatus()).value();
}

// Both ends of one attempt. Every fifth site vanishes before its vector.
class SimulatedRound {
 public:
  SimulatedRound(const privacy::RoundConfig& config, ledger_anchor::Store* store)
      : config_(config),
        context_(secagg::ContextOf(config)),
        sum_(store, {.n_coords = config.n_coords(),
                     .chunk_coords = config.chunk_coords,
                     .ring_bits = config.ring_bits,
                     .max_weight = config.max_weight}) {
    collecting_.facts.job.name = "secagg500";
    collecting_.facts.round.number = config.round;
    collecting_.cfg_hash = privacy::HashConfig(config);
    collecting_.masked = true;
    for (uint16_t i = 0; i < config.roster.size(); ++i) {
      keys_.push_back(privacy::MemberKey(i));
      collecting_.roster.push_back(
          {.site = {absl::StrCat("site-", i)}, .entry_key = keys_.back().public_key()});
    }
  }

  absl::Status Run();
  std::string Report() const;  // a JSON object's members

 private:
  static bool Vanishes(uint16_t member) { return member % 5 == 4; }

  absl::Status Advertise();
  absl::Status Vectors();
  absl::Status SendVector(uint16_t member, const secagg::Upload& upload, double& seconds);
  absl::Status Verify();
  absl::Status CloseFlight();
  template <class From, class To, class Step>
  absl::Status Answer(std::map<uint16_t, From>& from, std::map<uint16_t, To>& to, const Step& step);
  absl::StatusOr<privacy::NoisedDelta> InputOf(uint16_t member) const;
  FlightCost& cost() { return costs_[NumberOf(attempt_->flight())]; }

  const privacy::RoundConfig config_;
  const secagg::ContextPtr context_;
  Accumulator sum_;
  Collecting collecting_;
  std::vector<crypto::SigningKey> keys_;
  std::unique_ptr<MaskedAttempt> attempt_;

  std::map<uint16_t, secagg::SiteAdvertised> advertised_;
  std::map<uint16_t, secagg::SiteRevealed> revealed_;
  std::map<uint16_t, secagg::SiteShared> shared_;
  std::map<uint16_t, secagg::SiteAcknowledged> acknowledged_;
  std::map<uint16_t, secagg::SiteMasked> masked_;
  std::map<uint16_t, secagg::SiteVoted> voted_;
  std::map<uint16_t, secagg::SiteAnswered> answered_;
  std::optional<secagg::OpenedRound> opened_;

  std::map<uint32_t, FlightCost> costs_;  // by flight
  double open_s_ = 0;                     // secrets, masks out, z
  double full_s_ = 0, tags_s_ = 0;        // of all who verify that way
};

absl::Status SimulatedRound::CloseFlight() {
  double& seconds = cost().server_s;
  std::fprintf(stderr, "%s: closing\n", std::string(NameOf(attempt_->flight())).c_str());
  return Timed(seconds, [this] { return attempt_->Close(); });
}

absl::Status SimulatedRound::Advertise() {
  HILUM_ASSIGN_OR_RETURN(attempt_, MaskedAttempt::Create(config_, 0, secagg::ServerKey()));
  for (uint16_t i = 0; i < keys_.size(); ++i) {
    auto step = Timed(cost().sites_s, [&] {
      return secagg::SiteAdvertised::Start({.context = context_,
                                            .index = i,
                                            .signing_key = &keys_[i],
                                            .floors = secagg::FloorsOf(config_),
                                            .last_rid = {},
                                            .site_secret = {},
                                            .psks = {},
                                            .entropy = secagg::SiteEntropy::Draw()});
    });
    HILUM_RETURN_IF_ERROR(step);
    const Bytes message = MessageOf(*step);
    advertised_.emplace(i, std::move(step->next));
    HILUM_RETURN_IF_ERROR(Timed(
        cost().server_s, [&] { return attempt_->Take(i, Flight::kAdvertise, message).status(); }));
  }
  return CloseFlight();
}

// Each site takes what the flight began with, and the server takes its answer.
template <class From, class To, class Step>
absl::Status SimulatedRound::Answer(std::map<uint16_t, From>& from, std::map<uint16_t, To>& to,
                                    const Step& step) {
  const auto down = attempt_->down();
  for (auto& entry : from) {
    const uint16_t member = entry.first;
    const Bytes* message = down->For(member);
    if (message == nullptr) return absl::InternalError("a site gets no message");
    auto next =
        Timed(cost().sites_s, [&] { return step(std::move(entry.second), ByteView(*message)); });
    HILUM_RETURN_IF_ERROR(next);
    const Bytes answer = MessageOf(*next);
    to.emplace(member, std::move(next->next));
    HILUM_RETURN_IF_ERROR(Timed(cost().server_s, [&] {
      return attempt_->Take(member, attempt_->flight(), answer).status();
    }));
  }
  from.clear();
  return absl::OkStatus();
}

absl::StatusOr<privacy::NoisedDelta> SimulatedRound::InputOf(uint16_t member) const {
  HILUM_ASSIGN_OR_RETURN(privacy::ClippedDelta clipped,
                         privacy::ClipToNorm(privacy::ModelDeltaTestPeer::Make(
                                                 privacy::RandomDelta(config_.n_params, member)),
                                             config_.clip_l2));
  HILUM_ASSIGN_OR_RETURN(
      privacy::WeightedDelta weighted,
      privacy::Weight(std::move(clipped), {.weight = 10, .max_weight = config_.max_weight}));
  HILUM_ASSIGN_OR_RETURN(
      privacy::QuantizedDelta quantized,
      privacy::Quantize(std::move(weighted), config_, {.loss = 0.5}, privacy::Stream(member)));
  return privacy::AddNoise(std::move(quantized), config_);
}

// As aggregator/rpc does with what comes in: hashed, stored, added to S, signed.
absl::Status SimulatedRound::SendVector(uint16_t member, const secagg::Upload& upload,
                                        double& seconds) {
  return Timed(seconds, [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(
        const UpdateTicket ticket,
        CheckClaim({.job = collecting_.facts.job,
                    .round = collecting_.facts.round,
                    .cfg_hash = collecting_.cfg_hash,
                    .site_index = member,
                    .n_words = config_.n_coords()},
                   collecting_.roster[member].site,
                   {.round = collecting_, .config = config_, .u2_hash = attempt_->u2_hash()}));
    HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> into, sum_.Begin(ticket));
    for (uint32_t c = 0; c < upload.n_chunks(); ++c) {
      const Bytes message = upload.Chunk(c);
      HILUM_ASSIGN_OR_RETURN(const secagg::Opened opened, secagg::OpenFrame(*context_, message));
      HILUM_ASSIGN_OR_RETURN(const secagg::ChunkView chunk,
                             secagg::DecodeChunk(opened.body, config_));
      HILUM_RETURN_IF_ERROR(into->AddChunk(c, chunk.bytes));
    }
    HILUM_ASSIGN_OR_RETURN(const secagg::Opened opened,
                           secagg::OpenFrame(*context_, upload.Close()));
    HILUM_ASSIGN_OR_RETURN(const secagg::MaskedInputClose close,
                           secagg::DecodeMaskedInputClose(opened.body));
    HILUM_ASSIGN_OR_RETURN(const ReceivedUpdate received, into->Finish());
    HILUM_ASSIGN_OR_RETURN(
        const AcceptedUpdate update,
        Validate(received, {.root = close.fields.root, .signature = close.signature}, ticket));
    return sum_.Count(update, *into, [&](const Digest& object) {
      return attempt_
          ->TakeVector({.site_index = member,
                        .root = update.root(),
                        .signature = update.signature(),
                        .object = object})
          .status();
    });
  });
}

absl::Status SimulatedRound::Vectors() {
  const auto down = attempt_->down();
  for (auto& entry : acknowledged_) {
    const uint16_t member = entry.first;
    if (Vanishes(member)) continue;
    HILUM_ASSIGN_OR_RETURN(privacy::NoisedDelta input, InputOf(member));
    auto step = Timed(cost().sites_s, [&]() -> absl::StatusOr<secagg::SiteReady::MaskStep> {
      HILUM_ASSIGN_OR_RETURN(secagg::SiteReady ready,
                             std::move(entry.second).TakeU2(*down->For(member)));
      return std::move(ready).MaskInput(std::move(input), kernels::Device::kCpu);
    });
    HILUM_RETURN_IF_ERROR(step);
    HILUM_ASSIGN_OR_RETURN(const secagg::Upload upload,
                           std::move(step->upload).ReleaseAfter(absl::OkStatus()));
    masked_.emplace(member, std::move(step->next));
    HILUM_RETURN_IF_ERROR(SendVector(member, upload, cost().server_s));
    std::fprintf(stderr, "R2, vectors: site %u of %zu\n", member, keys_.size());
  }
  acknowledged_.clear();
  return Timed(cost().server_s, [this]() -> absl::Status {
    sum_.Close();
    HILUM_ASSIGN_OR_RETURN(privacy::MaskedTotal total, std::move(sum_).Total());
    return attempt_->CloseVectors(std::move(total).Release());
  });
}

absl::Status SimulatedRound::Run() {
  HILUM_RETURN_IF_ERROR(Advertise());
  HILUM_RETURN_IF_ERROR(Answer(advertised_, revealed_, [](auto site, ByteView message) {
    return std::move(site).TakeKeyList(message);
  }));
  HILUM_RETURN_IF_ERROR(CloseFlight());
  HILUM_RETURN_IF_ERROR(Answer(revealed_, shared_, [](auto site, ByteView message) {
    return std::move(site).TakeU1(message);
  }));
  HILUM_RETURN_IF_ERROR(CloseFlight());
  HILUM_RETURN_IF_ERROR(Answer(shared_, acknowledged_, [](auto site, ByteView message) {
    return std::move(site).TakeDelivery(message);
  }));
  HILUM_RETURN_IF_ERROR(CloseFlight());
  HILUM_RETURN_IF_ERROR(Vectors());
  HILUM_RETURN_IF_ERROR(Answer(masked_, voted_, [](auto site, ByteView message) {
    return std::move(site).TakeTranscript(message, {});
  }));
  HILUM_RETURN_IF_ERROR(CloseFlight());
  HILUM_RETURN_IF_ERROR(Answer(voted_, answered_, [](auto site, ByteView message) {
    return std::move(site).TakeVotes(message);
  }));
  HILUM_ASSIGN_OR_RETURN(opened_,
                         Timed(open_s_, [this] { return attempt_->Open(kernels::Device::kCpu); }));
  return Verify();
}

// What each site does with what was published: the first two take the masks out too.
absl::Status SimulatedRound::Verify() {
  const Digest ring_root = privacy::RingRoot(opened_->total.words(), config_.chunk_coords);
  size_t n_verified = 0;
  for (const auto& entry : answered_) {
    const secagg::SiteAnswered& site = entry.second;
    const secagg::PublishedRound published{.facts = site.facts(),
                                           .transcript = site.transcript(),
                                           .votes = opened_->votes,
                                           .opening = opened_->opening,
                                           .sums = opened_->sums,
                                           .ring_root = ring_root};
    const bool full = n_verified++ < kFullVerifiers;
    HILUM_RETURN_IF_ERROR(Timed(full ? full_s_ : tags_s_, [&]() -> absl::Status {
      HILUM_ASSIGN_OR_RETURN(const secagg::VerifiedMessages messages,
                             secagg::VerifyMessages(published));
      if (!full) return secagg::VerifySum(published, messages);
      return secagg::VerifyRound(published, messages, kernels::Device::kCpu).status();
    }));
    std::fprintf(stderr, "verified by site %u\n", entry.first);
  }
  return absl::OkStatus();
}

std::string SimulatedRound::Report() const {
  std::string flights;
  for (const auto& [number, cost] : costs_) {
    absl::StrAppend(&flights, flights.empty() ? "" : ", ", "{\"flight\": \"",
                    NameOf(static_cast<Flight>(number)), "\", \"sites_s\": ", cost.sites_s,
                    ", \"server_s\": ", cost.server_s, "}");
  }
  const size_t n_counted = answered_.size();
  const size_t n_full = std::min(n_counted, kFullVerifiers);
  const secagg::Graph& graph = *opened_->facts.graph;
  return absl::StrCat("\"counted\": ", n_counted,
                      ", \"neighbours\": ", graph.NeighboursOf(0).size(),
                      ", \"threshold\": ", graph.threshold(), ", \"flights\": [", flights,
                      "], \"unmask_s\": ", open_s_,
                      ", \"verify_full_s_a_site\": ", full_s_ / static_cast<double>(n_full),
                      ", \"verify_tags_s_a_site\": ",
                      n_counted > n_full ? tags_s_ / static_cast<double>(n_counted - n_full) : 0);
}

uint64_t AvailableMemory() {
  std::ifstream info("/proc/meminfo");
  std::string name, unit;
  for (uint64_t kilobytes = 0; info >> name >> kilobytes >> unit;) {
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return 0;
}

// The folder in which one run keeps its vectors.
absl::Status RunIn(const fs::path& folder, const RunOptions& options) {
  privacy::RoundConfig config = secagg::MaskedRound(static_cast<uint16_t>(options.n_sites),
                                                    static_cast<uint64_t>(options.n_params));
  config.suite = privacy::Suite::kAes256Ctr;
  const uint64_t vectors_bytes = 4 * config.n_coords() * config.roster.size() * 4 / 5;
  const uint64_t needed = vectors_bytes + 40 * config.n_coords() + kOtherMemoryBytes;
  if (const uint64_t available = AvailableMemory(); available < needed) {
    return absl::FailedPreconditionError(
        absl::StrCat("secagg500 of ", options.n_sites, " sites and ", options.n_params,
                     " parameters needs ", needed >> 20, " MiB of memory, ", available >> 20,
                     " are free: give fewer by --sites or --params"));
  }
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::Store store, ledger_anchor::Store::Open(folder));
  const absl::Time started = absl::Now();
  SimulatedRound round(config, &store);
  HILUM_RETURN_IF_ERROR(round.Run());
  std::printf(
      "{\"sites\": %d, \"parameters\": %lld, \"cores\": %d, \"disk_GB\": %.3f, %s, "
      "\"total_s\": %.1f}\n",
      options.n_sites, static_cast<long long>(options.n_params), kernels::CpuThreads(),
      static_cast<double>(vectors_bytes) / 1e9, round.Report().c_str(),
      absl::ToDoubleSeconds(absl::Now() - started));
  return absl::OkStatus();
}

bool ReadOption(const std::string& name, const std::string& value, RunOptions& options) {
  if (name == "--dir") {
    options.folder = value;
    return true;
  }
  if (name == "--sites") {
    return absl::SimpleAtoi(value, &options.n_sites) && options.n_sites >= 10 &&
           options.n_sites <= 1000;
  }
  return name == "--params" && absl::SimpleAtoi(value, &options.n_params) &&
         options.n_params >= 1 && options.n_params <= 100'000'000;
}

absl::StatusOr<RunOptions> OptionsOf(const std::vector<std::string>& words) {
  RunOptions options;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size() || !ReadOption(words[i], words[i + 1], options)) {
      return absl::InvalidArgumentError(
          "usage: secagg500 [--sites 10..1000] [--params 1..100000000] [--dir DIR]");
    }
  }
  return options;
}

}  // namespace

int Secagg500(const std::vector<std::string>& words) {
  const absl::StatusOr<RunOptions> options = OptionsOf(words);
  if (!options.ok()) {
    std::fprintf(stderr, "%s\n", std::string(options.status().message()).c_str());
    return 2;
  }
  const fs::path folder =
      options->folder / absl::StrCat("secagg500-", absl::ToUnixNanos(absl::Now()));
  const absl::Status status = RunIn(folder, *options);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (status.ok()) return 0;
  std::fprintf(stderr, "secagg500: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace hilum::aggregator

int main(int argc, char** argv) { return hilum::aggregator::Secagg500({argv + 1, argv + argc}); }
