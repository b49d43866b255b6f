// Computes a closed round again from stored bytes and compares it with its ledger entries, bit for
// bit: an auditor needs no server, no network and no trust in either.
#ifndef HILUM_AGGREGATOR_REPLAY_H_
#define HILUM_AGGREGATOR_REPLAY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/compute.h"
#include "base/bytes.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/members.h"

namespace hilum::aggregator {

// Gives an object of the content-addressed store. Replay hashes what it gets.
// NotFound: it is not there. ResourceExhausted: longer than `limit_bytes`.
using FetchObject =
    std::function<absl::StatusOr<Bytes>(const Digest& digest, uint64_t limit_bytes)>;

// How much of a round is computed again.
enum class ReplayDepth {
  kVectors,  // every counted update is read, checked against its root and tag, and added up
  // Masked rounds: the published sum is believed for its tags (docs/secure_aggregation.md, section
  // 8, mode A), so the updates stay where they are; only those of members without a tag are read.
  kTags,
};

// Told of each part of the work: "the update of site-02", 3 of 7 parts are done.
using ReplayProgress =
    std::function<void(absl::string_view what, uint64_t n_done, uint64_t n_total)>;

// A round's pair of entries, proven to be in the log by the caller (ledger_anchor/reader.h).
struct ReplayInputs {
  FetchObject fetch;
  ledger_anchor::Entry open;  // a round-open
  Digest open_leaf{};
  ledger_anchor::Entry close;  // its round-close
  // The study's last round-close with a result before it, if there is one: an adaptive strategy
  // goes on from the moments that its record names.
  std::optional<ledger_anchor::Entry> before{};
  // The study's round-closes before it, aborted ones too, ascending: what they cost together is
  // compared with what this one claims. A round with differential privacy needs all of them.
  std::vector<ledger_anchor::RoundClose> earlier{};
  // Where the round-open stands: a member's key of then counts. Absent: no key was rotated since.
  std::optional<uint64_t> open_index{};
  // Members as of the log: the roster's keys come from here, not from the server's files.
  const ledger_anchor::Members* members = nullptr;
  std::string origin;
  std::string log_vkey;
  Compute compute;  // where the sum is made again; the result does not depend on it
  ReplayDepth depth = ReplayDepth::kVectors;
  ReplayProgress progress{};  // may be empty
};

struct ReplayResult {
  std::string job;
  uint64_t round = 0;
  std::string status;  // ok or aborted, as in the entry
  Digest model{};      // recomputed; equals the entry's
  uint32_t n_updates = 0;
  uint64_t total_weight = 0;  // training films; 0 with differential privacy, which does not tell
  double mean_loss = 0.0;
  uint64_t read_bytes = 0;  // of all objects
  uint32_t n_read = 0;      // updates that were read: with kTags those without a tag
  std::string device;       // that made the sum: a GPU without room for it or that fails gives way
};

// Recomputes, in this order: the links of the two entries; H(cfg) and the roster's keys;
// updates.root; H(T) with the server's signature; every member's signature on its R_i, and of a
// masked round votes, tags' signatures and opened secrets; then every R_i from its stored vector;
// S, root(S), z, root(z); the new model's bytes and digest. Memory: one model, one vector and S at
// a time. DataLoss: the first difference; the sentence names it. NotFound: an object is missing.
// InvalidArgument: the entries are not a round-open and a round-close; or kTags was asked for an
// open round, which has none; or of a round with differential privacy an earlier one is missing.
// An aborted round has nothing to compute: its model must be its base
// model.
absl::StatusOr<ReplayResult> Replay(const ReplayInputs& inputs);

// Every object that Replay will fetch for this round, for an export: annexes of lists, the round
// record and the one before, cfg, plan, base model, new model, moments and each counted vector.
// Reads the record only. Errors as Replay.
absl::StatusOr<std::vector<Digest>> ObjectsOfRound(
    const FetchObject& fetch, const ledger_anchor::Entry& open, const ledger_anchor::Entry& close,
    const std::optional<ledger_anchor::Entry>& before = {});

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_REPLAY_H_
