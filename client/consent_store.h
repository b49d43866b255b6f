// What a site has committed to in the ledger about consents, with the nonces that open it (SQLite).
#ifndef HILUM_CLIENT_CONSENT_STORE_H_
#define HILUM_CLIENT_CONSENT_STORE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "ledger_anchor/consent_tree.h"

namespace hilum::client {

// A `consent-batch` of this site.
struct BatchRecord {
  std::string study;
  Digest root{};
  uint64_t count = 0;
  std::string entry;              // signed, canonical; kept so that a retry sends the same bytes
  std::optional<uint64_t> index;  // in the ledger; absent: not proven to be there yet
};

// One leaf of a batch. `event` is empty for a dummy.
struct BatchLeaf {
  Digest commitment{};
  Digest nonce{};
  std::string event;
};

// One round of one study, by its attempt.
struct RoundName {
  std::string study;
  uint64_t round = 0;
  uint32_t attempt = 0;
};

// A `train-manifest` of this site, with the active set that it names.
struct ManifestRecord {
  RoundName name;
  std::string entry;              // as in BatchRecord
  std::optional<uint64_t> index;  // as in BatchRecord
  uint64_t consent_size = 0;      // batches with a smaller index counted
  std::vector<ledger_anchor::ManifestLeaf> leaves;
};

// Thread-safe; every change is durable when it returns. Whoever destroys the file and the site's
// secret makes the commitments name nobody. Errors as State.
class ConsentStore {
 public:
  static absl::StatusOr<std::unique_ptr<ConsentStore>> Open(const fs::path& file);
  ~ConsentStore();
  // Held while batches are logged: a round that begins meanwhile waits, so that it knows them all.
  std::mutex& logging();

  absl::Status PutBatch(const BatchRecord& batch, const std::vector<BatchLeaf>& leaves);
  absl::Status MarkBatch(const Digest& root, uint64_t index);
  absl::Status ReplaceEntry(const Digest& root, absl::string_view entry);
  // In the order in which they were made.
  absl::StatusOr<std::vector<BatchRecord>> Batches(absl::string_view study);
  // Ascending by commitment: their order in the batch's tree.
  absl::StatusOr<std::vector<BatchLeaf>> Leaves(const Digest& root);

  absl::Status PutManifest(const ManifestRecord& manifest);
  absl::Status MarkManifest(const RoundName& name, uint64_t index);
  // Of this attempt. Absent: none.
  absl::StatusOr<std::optional<ManifestRecord>> Manifest(const RoundName& name);
  // The one of a round that is proven to be in the ledger. Absent: none.
  absl::StatusOr<std::optional<ManifestRecord>> LoggedManifest(absl::string_view study,
                                                               uint64_t round);

 private:
  struct Impl;
  explicit ConsentStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CONSENT_STORE_H_
