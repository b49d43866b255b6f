// What a site's optimizer remembers from one round of a job to the next (JOB.toml keep_optimizer).
// It grows out of the site's films, so it stays in the site's folder and is never sent.
#ifndef HILUM_CLIENT_OPTIMIZER_MEMORY_H_
#define HILUM_CLIENT_OPTIMIZER_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "models/train.h"

namespace hilum::client {

// One job's memories under SITE/optimizer/JOB, a safetensors file a round (tensors "first" and
// "second", [n_params]; metadata round, steps and films); the last two are kept (round_files.h).
class OptimizerFolder {
 public:
  // `films` is the digest of the films that are trained on (LocalDataset). A memory of other films
  // is not used and is deleted: what a patient has withdrawn leaves no trace in it.
  OptimizerFolder(const fs::path& root, absl::string_view job, const Digest& films);

  // The memory of the newest round before `round`; empty when there is none, when it is of other
  // films or another optimizer, or when its file is damaged.
  //   n_params  of the network, with those that stay at the site
  models::OptimizerMemory Before(uint64_t round, int64_t n_params) const;

  // Stores the memory after `round`, and deletes what is no longer needed: rounds before the last
  // two, rounds after it, and jobs beyond the newest eight.
  // ResourceExhausted: the disk is full. Internal: the folder cannot be written.
  absl::Status Keep(uint64_t round, const models::OptimizerMemory& memory) const;

 private:
  fs::path root_;
  fs::path folder_;
  std::string films_;  // hexadecimal
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_OPTIMIZER_MEMORY_H_
