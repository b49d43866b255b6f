// The hash chain of each study's rounds inside the log, and what sites log about them (ledger.md
// 3.4 and 9).
#ifndef HILUM_LEDGER_ANCHOR_CHAIN_H_
#define HILUM_LEDGER_ANCHOR_CHAIN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/entry.h"

namespace hilum::ledger_anchor {

// An entry's place: what later entries refer to.
struct EntryPlace {
  uint64_t index = 0;
  Digest leaf_hash{};
};

struct OpenRound {
  EntryPlace place;
  RoundOpen open;
  std::set<std::string> manifests{};  // sites whose train-manifest is logged

  // Consents with a smaller index count in this round.
  uint64_t consent_size() const { return open.consent ? open.consent->size : place.index; }
};

// A consent-batch that stands in the log.
struct LoggedBatch {
  EntryPlace place;
  Digest active_root{};
};

// Where a study stands.
struct StudyState {
  uint64_t round = 0;                            // the last closed one; 0: none
  Digest prev{};                                 // what the next round-open must name
  std::optional<Digest> model;                   // the last round-close's; the next base_model
  std::optional<OpenRound> open;                 // a round that is not closed yet
  uint64_t pinned_size = 0;                      // consent_size of the last round-open
  std::map<uint64_t, Digest> models;             // of the rounds that closed ok
  std::map<std::string, LoggedBatch> batches{};  // each site's newest
};

// A value: apply entries in order of the log.
class Chain {
 public:
  // Links, round numbers, base model, one close for each open, lists of a close that together make
  // the cohort of its open; a release names a logged close of its study. A pin names each
  // site's newest consent-batch, all of which it covers, and does not go back behind an earlier
  // round's. A train-manifest is of the open round, of a site of its cohort, the
  // first of that site, over the active set that is pinned for it. A consent-batch has a root that
  // no batch had before; an evaluation is of a round's model. DataLoss otherwise.
  absl::Status Check(const Entry& entry) const;
  void Apply(const EntryPlace& place, const Entry& entry);

  // Of a study that has no round yet: round 0, prev = genesis.
  StudyState Study(absl::string_view study) const { return Find(study); }

 private:
  struct Closed {
    uint64_t index = 0;
    std::string study;
    bool ok = false;
  };
  absl::Status CheckOpen(const Entry& entry, const RoundOpen& open) const;
  absl::Status CheckClose(const Entry& entry, const RoundClose& close) const;
  absl::Status CheckRelease(const Entry& entry, const ModelRelease& release) const;
  absl::Status CheckManifest(const Entry& entry, const TrainManifest& manifest) const;
  absl::Status CheckBatch(const Entry& entry, const ConsentBatch& batch) const;
  absl::Status CheckEvaluation(const Entry& entry, const Evaluation& evaluation) const;
  void ApplyClose(const EntryPlace& place, const Entry& entry, const RoundClose& close);
  const StudyState& Find(absl::string_view study) const;
  StudyState fresh_;  // of a study without rounds
  std::map<std::string, StudyState, std::less<>> studies_;
  std::map<Digest, Closed> closed_;     // by leaf hash
  std::map<Digest, uint64_t> batches_;  // root of a consent-batch -> its index
};

// The links between a round's two entries, for who holds only those: DataLoss if `close` does not
// close `open` (whose leaf hash is given).
absl::Status CheckCloseOfOpen(const RoundClose& close, const RoundOpen& open,
                              const Digest& open_leaf);
// DataLoss: `open` does not follow `previous` (whose leaf hash is given).
absl::Status CheckOpenAfterClose(const RoundOpen& open, const RoundClose& previous,
                                 const Digest& previous_leaf);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CHAIN_H_
