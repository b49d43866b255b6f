// When the federation's log existed in which state, by the word of an outsider: the published
// checkpoint is anchored from a thread of its own, which no round waits for (docs/ledger.md,
// section 7).
#ifndef HILUM_AGGREGATOR_ANCHORS_H_
#define HILUM_AGGREGATOR_ANCHORS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger_anchor/anchor.h"
#include "ledger_anchor/anchor_folder.h"
#include "ledger_anchor/log.h"

namespace hilum::aggregator {

struct AnchorOptions {
  absl::Duration every = absl::ZeroDuration();  // zero: when Want was called
  absl::Duration retry = absl::Seconds(1);      // after a failure; doubles up to `retry_limit`
  absl::Duration retry_limit = absl::Minutes(5);
  uint64_t outage_failures = 10;  // in a row: an outage
};

// What the metrics show.
struct AnchorView {
  uint64_t receipts = 0;  // of this process
  uint64_t failures = 0;
  uint64_t size = 0;    // of the newest checkpoint with a receipt; 0: none
  int64_t time_s = 0;   // the authority's time in it
  std::string trouble;  // why the last attempt failed; empty: it did not
};

class Anchors {
 public:
  // Called without a lock held, from the thread, once until a receipt has come again.
  using OnOutage = std::function<void(const absl::Status& last_failure)>;

  // The newest receipt of the folder is verified again; one that does not verify counts as none.
  // DataLoss: a receipt's note bears the log's own signature and is of no state of this log, which
  // is an older copy then.
  static absl::StatusOr<std::unique_ptr<Anchors>> Create(
      const ledger_anchor::Log* log, ledger_anchor::VerifierKey log_key,
      std::unique_ptr<ledger_anchor::Anchor> anchor, ledger_anchor::AnchorFolder folder,
      const AnchorOptions& options, OnOutage on_outage);
  void Start();  // once
  ~Anchors();
  // Ends an exchange that is under way. All other calls stay allowed.
  void Stop();
  Anchors(const Anchors&) = delete;

  // The log as it is now is to be anchored, once it is published.
  void Want();
  AnchorView View() const;

 private:
  struct Impl;
  explicit Anchors(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_ANCHORS_H_
