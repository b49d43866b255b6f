// The ledger gate: a model becomes a VerifiedModel, or it is not used (ledger.md, section 6).
#ifndef HILUM_CLIENT_LEDGER_GATE_H_
#define HILUM_CLIENT_LEDGER_GATE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/model_spec.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/gate.h"
#include "proto/round_plan.h"

namespace hilum::client {

// model.sig of a released model folder.
enum class ReleaseSignature {
  kNone,      // the proof is of a round-close, or of a release by an older server
  kNamed,     // the ledger names it, and every file is as it says
  kVerified,  // the same, and its signature is of the pinned release key
};

// A model whose file's SHA-256 stands in a proven ledger entry. Only LedgerGate makes one.
class VerifiedModel {
 public:
  const ModelSpec& spec() const { return spec_; }
  std::span<const float> flat() const { return flat_; }  // [n_params], finite
  const Digest& sha256() const { return sha256_; }       // of the safetensors file
  const std::string& norm() const { return norm_; }
  const std::vector<std::string>& local_layers() const { return local_layers_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::string& profile() const { return profile_; }
  const Digest& profile_digest() const { return profile_digest_; }
  int input_size() const { return input_size_; }  // pixels
  int min_age_years() const { return min_age_years_; }
  const std::string& job() const { return job_; }
  uint64_t round() const { return round_; }  // the round that made it; 0: version 0
  const std::string& origin() const { return origin_; }
  uint64_t entry_index() const { return entry_index_; }
  bool quorum_none() const { return quorum_none_; }  // no witness vouches for the log
  ReleaseSignature signature() const { return signature_; }

 private:
  friend class LedgerGate;
  VerifiedModel() = default;
  ModelSpec spec_;
  std::vector<float> flat_;
  Digest sha256_{};
  std::string norm_;
  std::vector<std::string> local_layers_;
  std::vector<std::string> classes_;
  std::string profile_;
  Digest profile_digest_{};
  int input_size_ = 0;
  int min_age_years_ = 18;
  std::string job_;
  uint64_t round_ = 0;
  std::string origin_;
  uint64_t entry_index_ = 0;
  bool quorum_none_ = false;
  ReleaseSignature signature_ = ReleaseSignature::kNone;
};

// An open round whose `round-open`, and the `round-close` before it, the ledger proves.
class ProvenRound {
 public:
  const ledger_anchor::RoundOpen& open() const { return open_; }
  const std::string& job() const { return job_; }
  const std::string& origin() const { return origin_; }
  const Digest& open_leaf() const { return open_leaf_; }  // leaf hash of the round-open
  uint64_t open_index() const { return entry_index_; }    // its place in the ledger
  // Consents with a smaller index in the ledger count in this round.
  uint64_t consent_size() const { return open_.consent ? open_.consent->size : entry_index_; }

 private:
  friend class LedgerGate;
  ProvenRound() = default;
  ledger_anchor::RoundOpen open_;
  std::string job_;
  std::string origin_;
  Digest open_leaf_{};
  uint64_t entry_index_ = 0;
  bool quorum_none_ = false;
};

// Asks the server for the proof between two checkpoints of its log.
using ProveConsistency =
    std::function<absl::StatusOr<ledger_anchor::HashList>(uint64_t old_size, uint64_t new_size)>;

// What a released model folder is checked against (client/pins.h makes it).
struct ReleasePins {
  ledger_anchor::Policy policy;
  // The aggregator's entry key. Absent: the log's signature alone vouches that the entry is the
  // aggregator's, since the log admits no other.
  std::optional<crypto::PublicKey> entry_key;
  uint64_t faults = 0;
  uint64_t max_cosignature_age_s = 3600;
  // PEM of the P-256 key that signs releases. Empty: not known.
  std::string release_key;
};

// Pins and the last accepted checkpoint of one site, in its folder ledger/. Thread-safe only when
// one object is used by one thread.
class LedgerGate {
 public:
  struct Options {
    uint64_t faults = 0;
    uint64_t max_cosignature_age_s = 3600;
  };
  // Reads ledger/policy, ledger/aggregator.key and ledger/checkpoint (absent: none accepted yet).
  // NotFound: the site has not joined. DataLoss: a file is damaged.
  static absl::StatusOr<LedgerGate> Open(const fs::path& folder, const Options& options);

  // What Join pins, once. AlreadyExists: the folder has pins; only PinPolicy (policy.h), which an
  // operator calls, changes the policy.
  static absl::Status Pin(const fs::path& folder, absl::string_view policy,
                          const crypto::PublicKey& entry_key);

  // Replaces the pinned policy by one that PinPolicy has checked.
  static absl::Status Repin(const fs::path& folder, absl::string_view policy);

  // An entry outside rounds: the genesis and the site's own join.
  // DataLoss: the proof; of a rollback or fork both signed notes stay in a file fork-*.txt.
  // PermissionDenied: quorum or age. Unavailable: the proof is of an older state of this log than
  // was accepted, so it has to be asked for again. Remembers the checkpoint; one that another
  // process of this site (the agent, a command) has accepted meanwhile counts too.
  absl::StatusOr<ledger_anchor::ProvenEntry> CheckEntry(
      absl::string_view proof, const ledger_anchor::GateExpectation& expected,
      const ProveConsistency& prove, int64_t now_s);

  struct RoundProofs {
    std::string job;
    uint64_t round = 0;
    absl::string_view open_proof;
    absl::string_view close_proof;  // of the round before; empty for round 1
    int64_t now_s = 0;
  };
  // Steps 1 to 7 and 9: both proofs, and that the round follows the one before. Remembers the
  // checkpoint durably. Errors as CheckEntry.
  absl::StatusOr<ProvenRound> CheckRound(const RoundProofs& proofs, const ProveConsistency& prove);

  // Step 8: `file` is the round's base model, with exactly the plan's layout.
  // DataLoss: another digest or layout, or not a model.
  static absl::StatusOr<VerifiedModel> AdmitBase(const ProvenRound& round, ByteView file,
                                                 const proto::RoundPlan& plan);

  // A released model folder: model.safetensors, model.json, round.tlog-proof. The proof is of a
  // `round-close` or `model-release` that names the file's SHA-256; classes and profile come from
  // the proven file, model.json must agree with them. Where the entry names a model.sig, the folder
  // holds it, every file that it signs, and no other.
  // NotFound: a file is missing. DataLoss: anything does not verify. PermissionDenied: quorum.
  static absl::StatusOr<VerifiedModel> AdmitRelease(const fs::path& folder, const ReleasePins& pins,
                                                    int64_t now_s);

  // Whether a newer checkpoint was accepted than the proof is made under.
  bool IsOlder(absl::string_view proof);

  const ledger_anchor::GatePins& pins() const { return pins_; }
  // Of the pinned log: federation ids are made of it and the key.
  std::string origin() const { return pins_.policy.logs.front().key.name; }
  std::string log_vkey() const;
  uint64_t accepted_size() const { return last_.has_value() ? last_->size : 0; }

 private:
  LedgerGate(fs::path folder, ledger_anchor::GatePins pins)
      : folder_(std::move(folder)), pins_(std::move(pins)) {}
  absl::Status Reread();
  absl::Status CheckNotMerelyOlder(const ledger_anchor::Checkpoint& claimed,
                                   const ProveConsistency& prove) const;
  absl::Status Remember(const ledger_anchor::AcceptedCheckpoint& accepted);
  fs::path folder_;
  ledger_anchor::GatePins pins_;
  std::optional<ledger_anchor::AcceptedCheckpoint> last_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_LEDGER_GATE_H_
