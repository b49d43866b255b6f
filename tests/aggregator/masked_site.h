// A synthetic site in a masked round: the real states of privacy/secagg over the real wire, without
// training, disk or threads, so that a test chooses who sends what and when.
#ifndef HILUM_TESTS_AGGREGATOR_MASKED_SITE_H_
#define HILUM_TESTS_AGGREGATOR_MASKED_SITE_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "privacy/secagg/flight.h"
#include "privacy/secagg/site_r0.h"
#include "tests/aggregator/test_federation.h"

namespace hilum::aggregator {

using privacy::secagg::Flight;

// A masked plan for `n` sites: MakePlan with masks and a short grace time.
proto::RoundPlan MaskedPlan(const std::string& job, int64_t n_params, int grace_s = 20);
// x_i of a site, the same for an open and a masked round of the same shape.
privacy::NoisedDelta InputOf(const OpenRound& open);
std::vector<uint32_t> PlainWordsOf(const OpenRound& open);

class MaskedSite {
 public:
  MaskedSite(TestSite* site, const crypto::PublicKey& server_key)
      : site_(site), server_key_(server_key) {}

  // Waits for attempt `attempt` of the round, and draws its keys.
  absl::Status Begin(const std::string& job, uint64_t round, uint32_t attempt = 0);
  // Waits for the flight and answers it; of R2 with the whole vector.
  absl::Status Answer(Flight flight);
  // The same message of the last flight once more. `repeated_send` must be true.
  absl::StatusOr<wire::FlightReceipt> Repeat();
  absl::StatusOr<wire::FlightReceipt> Send(Flight flight, const Bytes& message);
  absl::StatusOr<Bytes> Fetch(Flight flight);

  const OpenRound& open() const { return open_; }
  TestSite& site() { return *site_; }
  // Of R2, once it is masked.
  absl::StatusOr<wire::UpdateReceipt> Submit(const UpdateChanges& changes = {});
  absl::Status MaskVector();
  std::span<const uint32_t> words() const { return upload_->words(); }  // y_i, once it is masked
  // As Answer, but nothing leaves.
  absl::Status AnswerWithoutSending(Flight flight);
  Bytes& last() { return last_; }
  const Digest& transcript_hash() const { return transcript_hash_; }  // that it voted for
  const privacy::secagg::Context& context() const { return *context_; }
  // What its own steps took, if nothing else worked meanwhile: processor time on all cores. And how
  // long its input was made, which stands for training.
  struct Cost {
    double steps_cpu_s = 0;
    double input_s = 0;
  };
  const Cost& cost() const { return cost_; }

 private:
  absl::Status Take(Flight flight, const Bytes& down);

  TestSite* site_;
  crypto::PublicKey server_key_;
  OpenRound open_;
  privacy::secagg::ContextPtr context_;
  std::variant<std::monostate, privacy::secagg::SiteAdvertised, privacy::secagg::SiteRevealed,
               privacy::secagg::SiteShared, privacy::secagg::SiteAcknowledged,
               privacy::secagg::SiteReady, privacy::secagg::SiteMasked, privacy::secagg::SiteVoted,
               privacy::secagg::SiteAnswered>
      state_;
  std::optional<privacy::secagg::Upload> upload_;
  Digest transcript_hash_{};
  Flight last_flight_ = Flight::kAdvertise;
  Bytes last_;
  Cost cost_;
};

// A federation of masked sites that goes flight by flight.
struct MaskedSites {
  std::vector<std::unique_ptr<TestSite>> sites;
  std::vector<MaskedSite> masked;
  std::set<size_t> silent;  // send nothing more

  MaskedSites(TestFederation& federation, int n);
  absl::Status Begin(const std::string& job, uint64_t round, uint32_t attempt = 0);
  absl::Status Answer(Flight flight);
  absl::Status AnswerFrom(Flight first, Flight last = Flight::kAnswer);
};

}  // namespace hilum::aggregator

#endif  // HILUM_TESTS_AGGREGATOR_MASKED_SITE_H_
