#include "cli/job_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"
#include "privacy/round_config.h"

namespace hilum::cli {
namespace {

// The server's step holds for each coordinate the sum (8), the ring word (4), the old and the new
// model (4 each) and the new file (4).
constexpr uint64_t kServerBytesPerCoordinate = 24;
constexpr uint64_t kChunkBytes = 1 << 20;
constexpr uint64_t kChunksInFlight = 2;  // for each site

privacy::RoundConfig ConfigOf(const proto::RoundPlan& plan, const CostInput& input) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  const auto n_sites = static_cast<size_t>(input.n_sites);
  privacy::RoundConfig config;
  config.n_params = static_cast<uint64_t>(plan.spec.n_params());
  config.n_extras = privacy::kMinExtras;
  config.ring_bits = static_cast<uint8_t>(aggregation.ring_bits);
  config.value_bits = static_cast<uint8_t>(
      aggregation.value_bits != 0 ? aggregation.value_bits
                                  : privacy::MaxValueBits(aggregation.ring_bits, n_sites));
  config.clip_l2 = aggregation.clip_l2;
  config.range = aggregation.range > 0 ? aggregation.range : aggregation.clip_l2;
  config.max_weight = aggregation.max_weight;
  config.roster.resize(n_sites);
  return config;
}

privacy::CohortRule RuleOf(const proto::RoundPlan& plan, int n_sites) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  return privacy::RaiseCohort(
      static_cast<size_t>(n_sites),
      {.c_max = static_cast<uint16_t>(aggregation.c_max),
       .drop_max = static_cast<uint16_t>(aggregation.drop_max),
       .quorum = static_cast<uint16_t>(aggregation.quorum),
       .u_min = static_cast<uint16_t>(std::max(aggregation.u_min, plan.cohort.minimum))});
}

// What the server gets to see, in plain words.
std::string MasksText(const proto::RoundPlan& plan, int n_sites) {
  if (plan.aggregation.mode != "masked") return "none: the server sees each update";
  const privacy::CohortRule rule = RuleOf(plan, n_sites);
  return absl::StrCat(plan.aggregation.suite, ": the server sees the sum of ",
                      std::max(rule.quorum, rule.u_min), " sites or more, even with ", rule.c_max,
                      " of them on its side");
}

}  // namespace

absl::StatusOr<JobCost> EstimateCost(const proto::RoundPlan& plan, const CostInput& input) {
  if (input.n_sites < plan.cohort.minimum) {
    return absl::InvalidArgumentError(absl::StrCat(
        input.n_sites, " sites are fewer than [cohort] minimum, ", plan.cohort.minimum, "."));
  }
  privacy::RoundConfig config = ConfigOf(plan, input);
  if (config.value_bits < 2) {
    return absl::InvalidArgumentError(absl::StrCat("a ring of ", plan.aggregation.ring_bits,
                                                   " bits cannot hold the sum of ", input.n_sites,
                                                   " sites."));
  }
  config.scale = privacy::ScaleOf(config.range, config.value_bits);
  HILUM_RETURN_IF_ERROR(privacy::CheckHeadroom(config));
  const uint64_t sites = static_cast<uint64_t>(input.n_sites);
  JobCost cost;
  cost.n_params = config.n_params;
  cost.up_bytes = 4 * config.n_coords();
  cost.down_bytes = input.model_bytes;
  cost.total_bytes = plan.rounds * sites * (cost.up_bytes + cost.down_bytes);
  cost.server_memory_bytes =
      kServerBytesPerCoordinate * config.n_coords() + sites * kChunksInFlight * kChunkBytes;
  cost.server_disk_bytes = plan.rounds * (sites * cost.up_bytes + input.model_bytes);
  cost.value_bits = config.value_bits;
  cost.headroom_bits =
      privacy::MaxValueBits(config.ring_bits, config.roster.size()) - config.value_bits;
  cost.rounding_step = 1.0 / config.scale;
  if (input.films_per_second.has_value()) {
    cost.seconds_a_round =
        static_cast<double>(input.films) * plan.training.local_epochs / *input.films_per_second;
  }
  return cost;
}

std::string CostPage(const proto::RoundPlan& plan, const CostInput& input, const JobCost& cost) {
  const auto bytes = [](uint64_t value) { return FormatBytes(static_cast<double>(value)); };
  std::string page = absl::StrCat(
      "job ", plan.job, ": ", plan.model.architecture, " with ", cost.n_params, " parameters, ",
      plan.rounds, " rounds, ", input.n_sites, " sites (a prediction)\n\n",
      "a site sends a round      ", bytes(cost.up_bytes), "\n", "a site receives a round   ",
      bytes(cost.down_bytes), "\n", "all sites, all rounds     ", bytes(cost.total_bytes), "\n",
      "server memory             ", bytes(cost.server_memory_bytes), "\n",
      "server disk               ", bytes(cost.server_disk_bytes), "\n",
      "ring                      ", plan.aggregation.ring_bits, " bits: ", cost.value_bits,
      " for a value, ", cost.headroom_bits, " left over\n",
      absl::StrFormat("rounding step             %.3g (of a weighted coordinate; clip %g)\n",
                      cost.rounding_step, plan.aggregation.clip_l2));
  if (cost.seconds_a_round.has_value()) {
    absl::StrAppend(&page, "training a round          ", FormatSeconds(*cost.seconds_a_round),
                    " at the largest site (", input.films, " films, ", plan.training.local_epochs,
                    " epochs)\n", "training, all rounds      ",
                    FormatSeconds(*cost.seconds_a_round * static_cast<double>(plan.rounds)), "\n");
  }
  absl::StrAppend(&page, "masks                     ", MasksText(plan, input.n_sites), "\n",
                  "differential privacy      off: no epsilon is spent or claimed\n");
  return page;
}

nlohmann::ordered_json CostToJson(const proto::RoundPlan& plan, const CostInput& input,
                                  const JobCost& cost) {
  nlohmann::ordered_json json = {{"job", plan.job},
                                 {"prediction", true},
                                 {"rounds", plan.rounds},
                                 {"sites", input.n_sites},
                                 {"n_params", cost.n_params},
                                 {"up_bytes", cost.up_bytes},
                                 {"down_bytes", cost.down_bytes},
                                 {"total_bytes", cost.total_bytes},
                                 {"server_memory_bytes", cost.server_memory_bytes},
                                 {"server_disk_bytes", cost.server_disk_bytes},
                                 {"ring_bits", plan.aggregation.ring_bits},
                                 {"value_bits", cost.value_bits},
                                 {"headroom_bits", cost.headroom_bits},
                                 {"rounding_step", cost.rounding_step},
                                 {"seconds_a_round", nullptr},
                                 {"masks", plan.aggregation.mode == "masked"},
                                 {"epsilon", nullptr}};
  if (cost.seconds_a_round.has_value()) json["seconds_a_round"] = *cost.seconds_a_round;
  return json;
}

}  // namespace hilum::cli
