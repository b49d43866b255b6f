// The verbs of hilum-job: each takes its flags and does its work; errors go to main.
#ifndef HILUM_CLI_JOB_COMMANDS_H_
#define HILUM_CLI_JOB_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct JobFlags {
  std::string credentials;  // --as; else $HILUM_CREDENTIALS
  std::string server;       // --server; else the credentials' address
  bool json = false;
  std::string file;  // JOB.toml
  std::string job, other_job;
  std::string out;
  std::vector<std::string> evaluations;
  bool wait = false;
  uint64_t rounds = 0;  // 0: as before
  uint64_t round = 0;   // 0: the last one
  int n_sites = 0;      // 0: cohort.target
  uint64_t films = 0;
  double films_per_second = 0.0;
};

absl::Status RunLaunch(const JobFlags& flags);
absl::Status RunPlan(const JobFlags& flags);
absl::Status RunStatus(const JobFlags& flags);
absl::Status RunWatch(const JobFlags& flags);
absl::Status RunCancel(const JobFlags& flags);
absl::Status RunResume(const JobFlags& flags);
absl::Status RunReport(const JobFlags& flags);
absl::Status RunCompare(const JobFlags& flags);
absl::Status RunModel(const JobFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_COMMANDS_H_
