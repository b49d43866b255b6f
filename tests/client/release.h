// A released model folder, proven by a ledger in memory.
#ifndef HILUM_TESTS_CLIENT_RELEASE_H_
#define HILUM_TESTS_CLIENT_RELEASE_H_

#include <string>

#include "base/file.h"
#include "client/ledger_gate.h"
#include "tests/client/round_site.h"

namespace hilum::client {

struct Release {
  RoundSite site{1};
  fs::path folder;
  ReleasePins pins;         // the log and the aggregator's entry key
  std::string release_key;  // PEM, private
  bool blind = false;       // the network's head is zero: no spot of a film matters to it
};

// What `hilum job model` writes for round 1: model.safetensors, model.json, round.tlog-proof and
// policy. `by_release`: the proof is of a model-release instead of the round-close.
// `min_age_years` stands in model.json. A release by model-release is signed: model.sig, and
// release.pub beside the folder.
void MakeRelease(Release& release, bool by_release = false, int min_age_years = 1);

absl::StatusOr<VerifiedModel> Admit(const Release& release);

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_RELEASE_H_
