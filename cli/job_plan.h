// What a job will cost: computed from its plan, before anything is sent.
#ifndef HILUM_CLI_JOB_PLAN_H_
#define HILUM_CLI_JOB_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/output.h"
#include "proto/round_plan.h"

namespace hilum::cli {

struct CostInput {
  int n_sites = 0;                         // that take part in each round
  uint64_t model_bytes = 0;                // of the safetensors file
  std::optional<double> films_per_second;  // that the slowest site trains
  uint64_t films = 0;                      // of the largest site
};

// What all rounds of a job with differential privacy spend, if every site takes part in each.
struct PrivacyCost {
  std::string unit, mechanism, accountant;
  double delta = 0.0;
  double epsilon = 0.0;  // of all rounds
  double epsilon_a_round = 0.0;
  double noise_a_coordinate =
      0.0;  // unit silo: standard deviation on the mean, unit of the weights
};

// A prediction, not a measurement. Bytes are payloads; gRPC and TLS add less than 0.1 %.
struct JobCost {
  uint64_t n_params = 0;
  uint64_t up_bytes = 0;                  // one site, one round
  uint64_t down_bytes = 0;                // one site, one round
  uint64_t total_bytes = 0;               // all sites and rounds, both ways
  uint64_t server_memory_bytes = 0;       // at its peak, in the server's step
  uint64_t server_disk_bytes = 0;         // all rounds: vectors kept for audit, and models
  int value_bits = 0;                     // b_x
  int headroom_bits = 0;                  // b - b_x - ceil(log2 n): bits that are left over
  double rounding_step = 0.0;             // 1 / s: how far one site's value is off, at most
  std::optional<PrivacyCost> privacy;     // absent: no noise
  std::optional<double> seconds_a_round;  // training only, where a rate was given
};

// InvalidArgument: fewer sites than cohort.minimum, or the ring cannot hold the sum and its noise
// (the rule with its numbers).
absl::StatusOr<JobCost> EstimateCost(const proto::RoundPlan& plan, const CostInput& input);

std::string CostPage(const proto::RoundPlan& plan, const CostInput& input, const JobCost& cost);
nlohmann::ordered_json CostToJson(const proto::RoundPlan& plan, const CostInput& input,
                                  const JobCost& cost);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_PLAN_H_
