// What `hilum site status` shows: jobs, rounds, consents, and what the next round would use.
#ifndef HILUM_CLIENT_OVERVIEW_H_
#define HILUM_CLIENT_OVERVIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/budget.h"
#include "client/site_folder.h"
#include "client/state.h"

namespace hilum::client {

// A job in the words that a hospital decides by.
struct JobOverview {
  JobRecord record;
  bool plan_is_readable = false;  // the fields below are filled
  std::string architecture;
  std::vector<std::string> classes;
  std::string profile;
  uint64_t rounds = 0;
  int minimum = 0;  // sites that a round needs
  int min_age_years = 0;
  std::string training;        // how long a round is, in words
  bool keeps_layers = false;   // parts of the network stay here (local_layers.h)
  std::string mode;            // open, masked
  double max_norm_l2 = 0;      // of an update
  uint64_t bytes_a_round = 0;  // what would leave the site in each round
  uint64_t films = 0;          // that the next round would use here
  std::string privacy;         // differential privacy in words; "none": no noise
  std::string policy;          // empty: the site's policy allows it; else which rule it breaks
  std::string halted;          // why this site takes no further part; empty: it does
};

struct Overview {
  std::string site;
  std::string server;
  std::string ledger_origin;
  uint64_t ledger_size = 0;  // of the last accepted checkpoint
  std::vector<JobOverview> jobs;
  std::vector<RoundRecord> rounds;
  std::vector<CheckRecord> checks;           // of rounds that are over
  std::vector<UnitSpending> spending;        // of the privacy budget
  double max_epsilon = 0, budget_delta = 0;  // site.toml; max_epsilon 0: no budget
  uint64_t films = 0;                        // that may be used for training now
  uint64_t films_rejected = 0;
  uint64_t patients = 0;          // whose films may be used now
  uint64_t patients_granted = 0;  // by their Consents
  uint64_t patients_denied = 0;   // revoked ones included
  uint64_t patients_revoked = 0;
  uint64_t patients_left_out = 0;  // with films here, that the next round leaves out
};

// Consents are judged at `now_s`. Errors: as State and LedgerGate::Open.
absl::StatusOr<Overview> MakeOverview(const SiteFolder& folder, const SiteOptions& options,
                                      State& state, int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_OVERVIEW_H_
