// One site before one round: real films, real keys, a ledger in memory, no network.
#ifndef HILUM_TESTS_CLIENT_ROUND_SITE_H_
#define HILUM_TESTS_CLIENT_ROUND_SITE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/participate.h"
#include "privacy/round_config.h"
#include "proto/round_plan.h"
#include "tests/ledger_anchor/federation.h"

namespace hilum::client {

class RoundSite {
 public:
  // hospital-a with `n_films` films of the demo; the job is approved.
  explicit RoundSite(size_t n_films = 6);

  // Adds the entry that opens the next round, with `config`, or the plan's own.
  void OpenRound();
  void OpenRoundWith(privacy::RoundConfig config);
  // With these members; more than 64 are an annex, which `objects` then holds.
  void OpenRoundWith(privacy::RoundConfig config, const std::vector<std::string>& names);
  // Closes it: the model of the round is `base` again (nobody trains here).
  void CloseRound();
  // What the server would send now.
  RoundNotice Notice() const;
  // The .tlog-proof of an entry against the whole log, or its first `size` entries.
  std::string Proof(size_t index, size_t size = 0) const;

  absl::StatusOr<SignedUpdate> Take(const RoundNotice& notice);
  absl::StatusOr<SignedUpdate> Take() { return Take(Notice()); }

  privacy::RoundConfig Config() const;
  void Approve(const std::string& plan);
  RoundRecord Record();
  crypto::SigningKey Key() const { return federation.SiteKey("hospital-a"); }
  void ReopenState();

  ledger_anchor::Federation federation;
  proto::RoundPlan plan;
  std::string plan_bytes;
  Bytes base;
  privacy::RoundConfig config;  // of the round that is open
  SiteFolder folder;
  SiteOptions options;
  std::unique_ptr<State> state;
  std::atomic<bool> cancel = false;
  std::map<Digest, Bytes> objects;
  FetchRotation fetch_rotation;  // what the server says of members' key-rotates; empty: nothing
  // The proof between two sizes of the ledger.
  ledger_anchor::HashList Consistency(uint64_t old_size, uint64_t new_size) const;
  int n_fetched = 0;
  int n_steps = 0;       // training steps seen
  uint32_t percent = 0;  // of the training after the last of them
  int cancel_at = 0;     // `cancel` is set after so many of them
  size_t open_index = 0, close_index = 0;
};

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_ROUND_SITE_H_
