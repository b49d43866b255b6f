// The recipe of a job: what a hospital approves, what every round of it repeats, and what the
// ledger pins (cfg.plan is the SHA-256 of the canonical bytes).
#ifndef HILUM_PROTO_ROUND_PLAN_H_
#define HILUM_PROTO_ROUND_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/model_spec.h"

namespace hilum::proto {

// JOB.toml [model]: the network and what goes in and out of it.
struct ModelPlan {
  std::string architecture;          // covidnet-nano, covidnet-tiny, covidnet-s, covidnet-paper224
  std::string norm = "group";        // group, batch or batch_local (models/architecture.h)
  std::vector<std::string> classes;  // 2 to 16 names, in the order of the outputs
  std::string profile;               // preprocessing, for example "cxr128"
  Digest profile_digest{};
  int min_age_years = 18;  // the card's range; younger patients are refused
  // Tensors that stay at each site, at most 16 patterns; `spec` does not hold them. Not in the
  // canonical bytes while empty.
  std::vector<std::string> local_layers{};
};
// Whether a network of the plan keeps tensors at each site.
bool KeepsLayers(const ModelPlan& model);

// JOB.toml [training]: what each site does in a round.
struct TrainingPlan {
  std::string optimizer = "adamw";    // adamw or sgd
  double learning_rate = 1e-3;        // > 0
  double weight_decay = 0.0;          // >= 0
  double momentum = 0.9;              // sgd only
  std::string schedule = "constant";  // constant, cosine or one-cycle, over all rounds of the job
  int64_t schedule_rounds = 0;        // length of the schedule in rounds; 0: JOB.toml's rounds
  int local_epochs = 1;               // 1..100
  int batch_size = 8;                 // 1..1024
  bool balance_classes = true;        // each batch draws the classes equally
  bool keep_optimizer = false;        // its moments stay at the site from round to round
  double augment = 1.0;               // 0: none; 1: the ranges of docs/models.md; never a flip
  double prox_mu = 0.0;               // FedProx; only with strategy "fedprox"
  double max_gradient_norm = 0.0;     // 0: gradients are not clipped

  // Not in the canonical bytes while 0.
  int64_t local_steps = 0;       // steps of a round, whatever the number of films; 0: local_epochs
  int time_limit_s = 0;          // a site sends what it has after so long; below the deadline
  double label_smoothing = 0.0;  // 0..0.5
};

// JOB.toml [strategy]: what the server makes of the updates, and its step.
struct StrategyPlan {
  // fedavg, fedprox, fednova, fedadagrad, fedadam, fedyogi. fednova: each site brings its update to
  // local_steps steps, whatever number it took (decision 030); the server's step is fedavg's.
  std::string name = "fedavg";
  double server_learning_rate = 1.0;  // eta

  // fedadagrad, fedadam and fedyogi only (Reddi et al. 2021, arXiv:2003.00295, algorithm 2).
  double beta1 = 0.9;   // 0 <= beta1 < 1
  double beta2 = 0.99;  // 0 <= beta2 < 1; fedadagrad has none
  double tau = 1e-3;    // > 0: how adaptive

  // mean, and in open mode the rules that bear lying sites: median, trimmed-mean, krum, multi-krum,
  // bulyan, geometric-median, centred-clipping (docs/kernels.md). They count every site alike.
  std::string rule = "mean";
  int n_faulty = 0;          // f of trimmed-mean, krum, multi-krum and bulyan
  double clip_radius = 0.0;  // of centred-clipping, > 0
};
// Whether the server keeps moments from round to round.
bool IsAdaptive(const StrategyPlan& strategy);
bool IsRobust(const StrategyPlan& strategy);          // any rule but mean
bool FaultySitesCount(const StrategyPlan& strategy);  // whether the rule has an f
// The smallest cohort that the rule works with: 2f + 1 (trimmed-mean), 2f + 3 (Krum), 4f + 3.
uint64_t FewestSites(const StrategyPlan& strategy);

// JOB.toml [cohort]: who takes part, and how long the server waits.
struct CohortPlan {
  int minimum = 2;         // a round with fewer counted sites is aborted
  int target = 0;          // 0: every approved site
  int recruit_s = 3600;    // how long a job waits for approvals
  int return_wait_s = 60;  // how long a round waits for approved sites that are away
  int grace_s = 30;        // a site that is away for longer is dropped from the round
  int deadline_s = 3600;   // of one round
};

// JOB.toml [aggregation]: ring and clip (secure_aggregation.md, section 6).
struct AggregationPlan {
  // open: no masks, the server sees each update. masked: the server learns their sum only.
  std::string mode = "open";
  double clip_l2 = 10.0;         // C > 0
  double range = 0.0;            // R; 0: R = C
  int ring_bits = 32;            // b, 16..32
  int value_bits = 0;            // b_x; 0: the largest that cannot wrap
  uint32_t max_weight = 100000;  // W: a site's weight is its number of films, at most W

  // With masked only; what is left at 0 follows from the number of sites
  // (docs/secure_aggregation.md, section 3), and a value may raise it, never lower it.
  std::string suite = "aes256-ctr";  // or chacha20
  int c_max = 0;                     // sites that may collude with the server
  int drop_max = 0;                  // further sites that may drop out
  int quorum = 0;                    // sites that must vote for one transcript
  int u_min = 0;                     // sites that a sum must have
};

// JOB.toml [privacy]: differential privacy (docs/differential_privacy.md). Not in the canonical
// bytes while the unit is none.
struct PrivacyPlan {
  // What one participant may hide. none: no noise, and no claim. silo: a site's whole update; noise
  // in the ring under the masks. record: one film; DP-SGD in local training.
  std::string unit = "none";
  double sigma = 0.0;        // noise multiplier
  double delta = 0.0;        // 1e-12..0.01
  double sample_rate = 0.0;  // record: each step takes each film with this probability
  int64_t steps = 0;         // record: local steps of a round
  double sample_clip = 0.0;  // record: L2 norm of one film's gradient
};

inline constexpr size_t kLocalLayersLimit = 16;  // patterns

// A snapshot for a site holds two plans, and every message is at most 2 MiB.
inline constexpr uint64_t kRoundPlanLimitBytes = 512 << 10;

struct RoundPlan {
  std::string job;               // also the ledger's `study`
  uint64_t rounds = 1;           // 1..100000
  std::optional<uint64_t> seed;  // 0..2^53-1; training and rounding, never keys or nonces
  ModelPlan model;
  TrainingPlan training;
  StrategyPlan strategy;
  CohortPlan cohort;
  AggregationPlan aggregation;
  PrivacyPlan privacy;
  ModelSpec spec;
};

// How long a site trains in a round, in words: "2 epochs", "250 steps, at most 600 s".
std::string RoundLength(const RoundPlan& plan);

// Canonical bytes (docs/wire.md): narrowed RFC 8785 JSON, every field present but those that are
// left out while they are empty or 0.
// InvalidArgument: a value out of its range; the sentence names field, value and range.
absl::StatusOr<std::string> EncodeRoundPlan(const RoundPlan& plan);

// The plan's `strategy` by itself: what the ledger's rule is the SHA-256 of.
absl::StatusOr<std::string> EncodeStrategy(const StrategyPlan& strategy);

// InvalidArgument: longer than 512 KiB, not canonical, unknown or missing field, value out of
// range.
absl::StatusOr<RoundPlan> ParseRoundPlan(absl::string_view canonical);

// The range rules alone; also used on JOB.toml, so file and wire have the same limits.
absl::Status CheckRoundPlan(const RoundPlan& plan);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_ROUND_PLAN_H_
