// Who vouches for the federation's log: every witness of the server's policy is asked to cosign
// each new checkpoint, and what a quorum has cosigned is published (docs/ledger.md).
#ifndef HILUM_AGGREGATOR_WITNESSES_H_
#define HILUM_AGGREGATOR_WITNESSES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "aggregator/views.h"
#include "base/clock.h"
#include "ledger_anchor/feed.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/policy.h"

namespace hilum::aggregator {

struct WitnessOptions {
  const Clock* clock = &SystemClock();
  absl::Duration retry = absl::Seconds(1);  // after no answer; doubles up to `retry_limit`
  absl::Duration retry_limit = absl::Seconds(30);
  uint64_t renew_s = 900;   // cosignatures of an unchanged log are renewed this often
  uint64_t fresh_s = 2700;  // below the sites' max_age
};

class Witnesses {
 public:
  // Called without a lock held, from a witness's thread.
  struct Hooks {
    std::function<void()> on_published;
    // A witness lies, or does not know this log. Once until it has cosigned again.
    std::function<void(const std::string& witness, const ledger_anchor::FeedResult&)> on_fault;
    // The log must stop: a witness holds a checkpoint that this log's key signed and this log does
    // not have.
    std::function<void(const std::string& witness, const ledger_anchor::FeedResult&)>
        on_contradiction;
  };

  // Witnesses with a URL are called; the others are asked once they are attached.
  // InvalidArgument: the policy is not of this log, has no quorum, or a URL cannot be used.
  static absl::StatusOr<std::unique_ptr<Witnesses>> Create(ledger_anchor::Log* log,
                                                           ledger_anchor::Policy policy,
                                                           const WitnessOptions& options,
                                                           Hooks hooks);
  void Start();  // once; before it nobody is asked and no hook called
  ~Witnesses();
  // Asks nobody from now on; waits for the answers that are on their way. All other calls stay
  // allowed.
  void Stop();
  Witnesses(const Witnesses&) = delete;

  void Grew();  // the log has a newer checkpoint

  // A way to the witness with this name is open until Detach. NotFound: the policy names no such
  // witness. Another way takes the place of the one before.
  absl::Status Attach(absl::string_view name, std::shared_ptr<ledger_anchor::WitnessTransport> way);
  void Detach(const std::shared_ptr<ledger_anchor::WitnessTransport>& way);

  // Whether the published checkpoint bears cosignatures that this process saw within
  // `fresh_s`. After a restart they are asked for again before sites are shown anything.
  bool IsFresh() const;
  std::vector<WitnessView> View() const;

 private:
  struct Impl;
  explicit Witnesses(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_WITNESSES_H_
