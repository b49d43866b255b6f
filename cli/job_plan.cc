#include "cli/job_plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/count.h"
#include "base/status_macros.h"
#include "privacy/accountant.h"
#include "privacy/packed_vector.h"
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

privacy::CohortRule RuleOf(const proto::RoundPlan& plan, int n_sites) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  return privacy::RaiseCohort(
      static_cast<size_t>(n_sites),
      {.c_max = static_cast<uint16_t>(aggregation.c_max),
       .drop_max = static_cast<uint16_t>(aggregation.drop_max),
       .quorum = static_cast<uint16_t>(aggregation.quorum),
       .u_min = static_cast<uint16_t>(std::max(aggregation.u_min, plan.cohort.minimum))});
}

privacy::RoundConfig ConfigOf(const proto::RoundPlan& plan, const CostInput& input) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  const auto n_sites = static_cast<size_t>(input.n_sites);
  privacy::RoundConfig config;
  config.n_params = static_cast<uint64_t>(plan.spec.n_params());
  config.n_extras = privacy::kMinExtras;
  config.ring_bits = static_cast<uint8_t>(aggregation.ring_bits);
  config.clip_l2 = aggregation.clip_l2;
  config.range = aggregation.range > 0 ? aggregation.range : aggregation.clip_l2;
  config.max_weight = aggregation.max_weight;
  config.roster.resize(n_sites);
  if (aggregation.mode != "masked") return config;
  config.mode = privacy::RoundMode::kMaskedMean;
  const privacy::CohortRule rule = RuleOf(plan, input.n_sites);
  config.c_max = rule.c_max;
  config.quorum = rule.quorum;
  config.u_min = rule.u_min;
  return config;
}

// The noise that the plan asks for; without a unit none, and nothing is claimed.
void FillPrivacy(const proto::PrivacyPlan& plan, privacy::RoundConfig& config) {
  config.unit = privacy::UnitOf(plan.unit);
  if (config.unit == privacy::PrivacyUnit::kNone) return;
  config.mechanism = privacy::NoiseMechanism::kDiscreteGaussian;
  config.sigma = plan.sigma;
  config.delta = plan.delta;
  config.accountant = privacy::kRdpAccountant;
}

// Films that training sees in a round, on the average where they are drawn.
double FilmsARound(const proto::RoundPlan& plan, uint64_t films) {
  const double n = static_cast<double>(films);
  if (plan.training.local_steps != 0) {
    return static_cast<double>(plan.training.local_steps) * plan.training.batch_size;
  }
  if (plan.privacy.unit != "record") return n * plan.training.local_epochs;
  return n * plan.privacy.sample_rate * static_cast<double>(plan.privacy.steps);
}

// Of the largest site, which need not come to the end of its steps.
double SecondsARound(const proto::RoundPlan& plan, const CostInput& input) {
  const double seconds = FilmsARound(plan, input.films) / *input.films_per_second;
  const int limit_s = plan.training.time_limit_s;
  return limit_s > 0 ? std::min(seconds, static_cast<double>(limit_s)) : seconds;
}

absl::Status FillBits(const proto::AggregationPlan& plan, privacy::RoundConfig& config) {
  if (plan.value_bits == 0) {
    if (privacy::MaxValueBits(plan.ring_bits, config.roster.size()) < 2) {
      return absl::InvalidArgumentError(absl::StrCat("a ring of ", plan.ring_bits,
                                                     " bits cannot hold the sum of ",
                                                     config.roster.size(), " sites."));
    }
    return privacy::FitValueBits(config);
  }
  config.value_bits = static_cast<uint8_t>(plan.value_bits);
  config.scale = privacy::ScaleOf(config.range, config.value_bits);
  return privacy::CheckHeadroom(config);
}

// What all rounds of the job spend; absent without noise.
absl::StatusOr<std::optional<PrivacyCost>> PrivacyCostOf(const proto::RoundPlan& plan,
                                                         const privacy::RoundConfig& config) {
  if (config.unit == privacy::PrivacyUnit::kNone) return std::optional<PrivacyCost>();
  HILUM_ASSIGN_OR_RETURN(
      const privacy::PrivateRelease release,
      privacy::ReleaseOf(config, {.rate = plan.privacy.sample_rate,
                                  .n_steps = static_cast<uint64_t>(plan.privacy.steps)}));
  privacy::Accountant one, all;
  HILUM_RETURN_IF_ERROR(one.Add(release));
  HILUM_RETURN_IF_ERROR(all.Add(release, plan.rounds));
  PrivacyCost cost{.unit = std::string(privacy::ToString(config.unit)),
                   .mechanism = std::string(privacy::ToString(config.mechanism)),
                   .accountant = std::string(privacy::AccountantName(config.accountant)),
                   .delta = config.delta,
                   .epsilon = all.Epsilon(config.delta),
                   .epsilon_a_round = one.Epsilon(config.delta)};
  if (config.unit == privacy::PrivacyUnit::kSilo) {
    const double n = static_cast<double>(config.roster.size());
    cost.noise_a_coordinate = release.sigma * release.l2 / config.scale *
                              std::sqrt(n / static_cast<double>(release.n_honest)) / n;
  }
  return std::optional<PrivacyCost>(std::move(cost));
}

std::string PrivacyText(const proto::RoundPlan& plan, const JobCost& cost) {
  if (!cost.privacy.has_value()) {
    return "none: no noise is added, so no epsilon is spent or claimed; the clip alone is not "
           "differential privacy";
  }
  const PrivacyCost& one = *cost.privacy;
  std::string text = absl::StrFormat(
      "epsilon %.4g at delta %g after %d rounds (%.4g after one)\n"
      "  unit                    %s\n"
      "  mechanism               %s, noise multiplier %g\n"
      "  accountant              %s, integer orders 2 to 256\n",
      one.epsilon, one.delta, plan.rounds, one.epsilon_a_round,
      one.unit == "silo" ? "silo: one hospital's whole update, replaced by zero"
                         : "record: one film added or removed, in each hospital by itself",
      one.mechanism, plan.privacy.sigma, one.accountant);
  if (one.unit == "silo") {
    absl::StrAppendFormat(&text, "  noise on the mean       %.3g a coordinate; clip %g",
                          one.noise_a_coordinate, plan.aggregation.clip_l2);
  } else {
    absl::StrAppendFormat(&text, "  sampling                Poisson, rate %g, %d steps a round",
                          plan.privacy.sample_rate, plan.privacy.steps);
  }
  return text;
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
  FillPrivacy(plan.privacy, config);
  HILUM_RETURN_IF_ERROR(FillBits(plan.aggregation, config));
  const uint64_t sites = static_cast<uint64_t>(input.n_sites);
  JobCost cost;
  cost.n_params = config.n_params;
  cost.up_bytes =
      privacy::VectorLayout{.n_coords = config.n_coords(), .ring_bits = config.ring_bits}
          .size_bytes();
  cost.down_bytes = input.model_bytes;
  cost.total_bytes = plan.rounds * sites * (cost.up_bytes + cost.down_bytes);
  cost.server_memory_bytes =
      kServerBytesPerCoordinate * config.n_coords() + sites * kChunksInFlight * kChunkBytes;
  cost.server_disk_bytes = plan.rounds * (sites * cost.up_bytes + input.model_bytes);
  cost.value_bits = config.value_bits;
  cost.headroom_bits =
      privacy::MaxValueBits(config.ring_bits, config.roster.size()) - config.value_bits;
  cost.rounding_step = 1.0 / config.scale;
  HILUM_ASSIGN_OR_RETURN(cost.privacy, PrivacyCostOf(plan, config));
  if (input.films_per_second.has_value()) {
    cost.seconds_a_round = SecondsARound(plan, input);
  }
  return cost;
}

std::string CostPage(const proto::RoundPlan& plan, const CostInput& input, const JobCost& cost) {
  const auto bytes = [](uint64_t value) { return FormatBytes(static_cast<double>(value)); };
  std::string page = absl::StrCat(
      "job ", plan.job, ": ", plan.model.architecture, " with ", cost.n_params, " parameters, ",
      Count(plan.rounds, "round"), ", ", Count(input.n_sites, "site"), " (a prediction)\n\n",
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
                    " at the largest site (", Count(input.films, "film"), ", ",
                    proto::RoundLength(plan), ")\n", "training, all rounds      ",
                    FormatSeconds(*cost.seconds_a_round * static_cast<double>(plan.rounds)), "\n");
  }
  absl::StrAppend(&page, "masks                     ", MasksText(plan, input.n_sites), "\n",
                  "differential privacy      ", PrivacyText(plan, cost), "\n");
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
  if (cost.privacy.has_value()) {
    json["epsilon"] = cost.privacy->epsilon;
    json["privacy"] = {{"unit", cost.privacy->unit},
                       {"mechanism", cost.privacy->mechanism},
                       {"sigma", plan.privacy.sigma},
                       {"delta", cost.privacy->delta},
                       {"accountant", cost.privacy->accountant},
                       {"rounds", plan.rounds},
                       {"epsilon", cost.privacy->epsilon},
                       {"epsilon_a_round", cost.privacy->epsilon_a_round}};
  }
  if (cost.seconds_a_round.has_value()) json["seconds_a_round"] = *cost.seconds_a_round;
  return json;
}

}  // namespace hilum::cli
