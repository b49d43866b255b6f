// Receipts beside a log, as plain files that any static HTTP server can serve:
//
//   anchors/rfc3161/list      the sizes, ascending, one a line
//   anchors/rfc3161/<size>    the receipt as the authority sent it: a TimeStampResp in DER
//   anchors/rfc3161/<size>.note   the bytes that it vouches for (AnchoredNote)
//   anchors/rfc3161/ca.pem    the authority's certificates, as the server was given them
#ifndef HILUM_LEDGER_ANCHOR_ANCHOR_FOLDER_H_
#define HILUM_LEDGER_ANCHOR_ANCHOR_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/anchor.h"
#include "ledger_anchor/fetch.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kAnchorListLimitBytes = 1 << 20;
inline constexpr size_t kAnchorReceiptLimitBytes = 64 << 10;  // of any engine

// The writer's side. One thread at a time.
class AnchorFolder {
 public:
  // Makes the folder of one engine, and `list` from the receipts that lie there. Unavailable: the
  // file system. ResourceExhausted: `list` would be over its limit.
  static absl::StatusOr<AnchorFolder> Open(std::filesystem::path folder);

  // Durable when this returns; before, no receipt of that size is seen. Takes the place of one that
  // is there. Errors: as Open.
  absl::Status Put(const AnchoredNote& note, const AnchorReceipt& receipt);
  // Errors: as Open.
  absl::Status PutAuthority(absl::string_view pem);

  const std::filesystem::path& path() const { return folder_; }
  const std::vector<uint64_t>& sizes() const { return sizes_; }  // ascending

 private:
  explicit AnchorFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  absl::Status WriteList() const;
  std::filesystem::path folder_;
  std::vector<uint64_t> sizes_;
};

// The reader's side; `fetch` is of the folder of one engine.

// Empty: there are no receipts. DataLoss: not ascending decimals, each with LF.
absl::StatusOr<std::vector<uint64_t>> ReadAnchorList(const Fetch& fetch);

// A receipt with its note, which the log signed; the receipt itself is not verified yet.
struct StoredAnchor {
  AnchoredNote note;
  AnchorReceipt receipt;
};
// DataLoss: the note is not one of this log of that size, not in the form that is anchored, or a
// file is missing or too long. Unavailable: the other side.
absl::StatusOr<StoredAnchor> ReadAnchor(const Fetch& fetch, uint64_t size, const VerifierKey& log);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ANCHOR_FOLDER_H_
