// The one rule for what may stand in the log: the sequencer asks before it appends, every reader
// asks again (ledger.md 3.5).
#ifndef HILUM_LEDGER_ANCHOR_ADMIT_H_
#define HILUM_LEDGER_ANCHOR_ADMIT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/chain.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/members.h"

namespace hilum::ledger_anchor {

// What a federation's genesis must say. An empty or all-zero field is not compared: the genesis
// itself is then trusted (on first use).
struct LedgerPins {
  std::string origin;
  std::string log_vkey;
  crypto::PublicKey entry_key{};
};

enum class Trust {
  kVerify,  // everything
  kReplay,  // bytes that a signed root of ours already covers: fields and chain, no signatures
};

// The root over the first `size` entries of the log that the entry is for.
using RootReader = std::function<absl::StatusOr<Digest>(uint64_t size)>;

// What can be found out of an entry before its turn.
struct PreparedEntry {
  absl::StatusOr<Entry> entry;  // of ParseEntry
  Digest leaf_hash{};
  std::optional<crypto::PublicKey> verified;  // the entry's own signature is this key's
};

// The state of a log after n entries. A value; not thread-safe.
class Admission {
 public:
  explicit Admission(LedgerPins pins) : pins_(std::move(pins)) {}

  // Checks `text` as the entry at index size() and takes it. On an error nothing changed.
  // DataLoss: form, signature, member, origin or chain; the sentence says which.
  // `root_at` knows the sizes 1 to size(): a round-open's pin is compared with it; without it the
  // pin's root is believed.
  absl::StatusOr<Entry> Admit(absl::string_view text, Trust trust = Trust::kVerify,
                              const RootReader& root_at = nullptr);

  // Reads, hashes and, with kVerify, verifies entries that follow soon, on all cores. Signatures
  // are verified as far as the signers are members by now; Admit verifies what is missing, as of
  // a member that joins meanwhile, and finds the same as without.
  std::vector<PreparedEntry> Prepare(std::span<const std::string> texts, Trust trust) const;
  absl::StatusOr<Entry> Admit(PreparedEntry prepared, Trust trust = Trust::kVerify,
                              const RootReader& root_at = nullptr);

  uint64_t size() const { return size_; }
  const Members& members() const { return members_; }
  const Chain& chain() const { return chain_; }
  const std::string& origin() const { return origin_; }  // empty before genesis
  const std::string& log_vkey() const { return log_vkey_; }

 private:
  PreparedEntry PrepareOne(absl::string_view text, Trust trust) const;
  absl::Status CheckGenesis(const Entry& entry) const;
  absl::Status CheckSignatures(const Entry& entry,
                               const std::optional<crypto::PublicKey>& verified) const;
  absl::Status CheckPin(const ConsentPin& pin, Trust trust, const RootReader& root_at) const;
  LedgerPins pins_;
  std::string origin_;
  std::string log_vkey_;
  uint64_t size_ = 0;
  Members members_;
  Chain chain_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ADMIT_H_
