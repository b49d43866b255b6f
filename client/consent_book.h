// Consents on their way into the ledger and back: what has to be logged, who is active in a round,
// and what a patient or an auditor is shown (ledger.md, section 9).
#ifndef HILUM_CLIENT_CONSENT_BOOK_H_
#define HILUM_CLIENT_CONSENT_BOOK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/consent_gate.h"
#include "client/consent_store.h"
#include "client/pseudonym.h"
#include "crypto/sign.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/consent_receipt.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/entry.h"

namespace hilum::client {

// The pseudonym of a patient in one study: HMAC of the site's own pseudonym, so that two studies
// do not share pids, and the patient's id is not needed again.
std::string StudyPid(const SiteSecret& secret, absl::string_view study, absl::string_view site_pid);

// Who logs.
struct Committer {
  const std::string& site;
  const std::string& study;
  const std::string& origin;  // of the ledger
  const SiteSecret& secret;
  const crypto::SigningKey& key;
  int64_t now_s = 0;
};

// The I/O edge: submits the entry and returns the index that its verified proof gives.
using LogEntry = std::function<absl::StatusOr<uint64_t>(const std::string& entry)>;

// The study pids that are active when the batches with an index below `size` count.
absl::StatusOr<std::set<std::string>> ActivePids(ConsentStore& store, absl::string_view study,
                                                 uint64_t size);

// The events that bring what is committed in step with `consents`: grants, revocations, and
// `expire` where a period is over. Empty: it is in step. `consents` is by site pid.
absl::StatusOr<std::vector<ledger_anchor::ConsentEvent>> PendingEvents(ConsentStore& store,
                                                                       const Committer& committer,
                                                                       const ActiveSet& consents);

// Logs what is pending: first a batch that was stored and not proven yet, byte for byte; then a new
// one, which is stored before it is sent. Returns how many batches were logged. After OK the ledger
// and `consents` agree. Errors: as `log` and the store.
absl::StatusOr<int> CommitConsents(ConsentStore& store, const Committer& committer,
                                   const ActiveSet& consents, const LogEntry& log);

// Logs the batches that were stored and not proven yet, byte for byte: a lost answer must not make
// this site believe in fewer consents than its ledger entries say. Returns how many.
absl::StatusOr<int> ProveBatches(ConsentStore& store, const Committer& committer,
                                 const LogEntry& log);

// A proven round-open, as far as consents go.
struct OpenClaim {
  const std::string& study;
  const std::string& site;
  const ledger_anchor::RoundOpen& open;
  uint64_t index = 0;  // of the round-open in the ledger
};
// The pin names the newest batch that this site has proven to stand before the round-open, and the
// active set that the site's own events below the pin make. Nobody may choose an older one: it
// would undo a revocation. DataLoss: it is not so. PermissionDenied: there is no pin, though the
// cohort is short enough for one.
absl::Status CheckPin(ConsentStore& store, const OpenClaim& claim);

// What a train-manifest is made of.
struct ManifestClaim {
  RoundName name;
  Digest open_leaf{};                               // leaf hash of the round-open
  uint64_t consent_size = 0;                        // of its pin, else its index
  std::vector<ledger_anchor::ManifestLeaf> leaves;  // padded (Manifest::Leaves)
};
// Stores and logs the train-manifest before training. One that was stored for the same round and
// attempt is sent again, byte for byte. PermissionDenied: a leaf's pid is not in the active set of
// the claim. DataLoss: the stored one has other leaves: the films changed under a manifest that may
// be logged already, as when a consent ends between two attempts. The sentence says what changed,
// in numbers of patients: it is for this site alone.
absl::Status CommitManifest(ConsentStore& store, const Committer& committer,
                            const ManifestClaim& claim, const LogEntry& log);

// The newest logged event of a patient with its path. `fetch_proof` gives the tlog-proof of the
// batch's entry; one of `keys`, all that this site had, has signed it.
// NotFound: the ledger holds no event of this patient. DataLoss: the key is not among them.
using FetchProof = std::function<absl::StatusOr<std::string>(const std::string& entry)>;
struct ReceiptRequest {
  absl::string_view study;
  absl::string_view pid;  // StudyPid
  const std::vector<crypto::PublicKey>& keys;
};
absl::StatusOr<ledger_anchor::ConsentReceipt> MakeReceipt(ConsentStore& store,
                                                          const ReceiptRequest& request,
                                                          const FetchProof& fetch_proof);

// What an auditor asked of one round: `seed` and how many leaves. NotFound: no manifest of the
// round is proven to be in the ledger.
struct DisclosureRequest {
  std::string study;
  std::string site;
  uint64_t round = 0;
  std::string seed;
  uint64_t n_samples = 0;
};
absl::StatusOr<ledger_anchor::Disclosure> MakeDisclosure(ConsentStore& store,
                                                         const DisclosureRequest& request);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CONSENT_BOOK_H_
