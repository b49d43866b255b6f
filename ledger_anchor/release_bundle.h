// The signature of a released model folder, `model.sig`: an OpenSSF model-signing bundle with a
// P-256 key (ledger.md, section 8). The program model_signing verifies it; so does this file.
#ifndef HILUM_LEDGER_ANCHOR_RELEASE_BUNDLE_H_
#define HILUM_LEDGER_ANCHOR_RELEASE_BUNDLE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kBundleTextLimitBytes = 64 << 10;
inline constexpr size_t kReleaseFileLimit = 16;
inline constexpr absl::string_view kBundleFileName = "model.sig";

// What a folder may hold beside the signed files: the bundle itself, the proof, which is made after
// it, and the policy, which is the reader's own.
inline constexpr absl::string_view kUnsignedFiles[] = {kBundleFileName, "round.tlog-proof",
                                                       "policy"};

struct ReleaseFile {
  std::string name;  // 1 to 64 of A-Z a-z 0-9 . _ -, no dot in front
  Digest sha256{};
  friend bool operator==(const ReleaseFile&, const ReleaseFile&) = default;
};

struct ReleaseBundle {
  std::string name;                // of the model
  std::vector<ReleaseFile> files;  // 1 to kReleaseFileLimit, ascending by name
  Digest key_hint{};               // SHA-256 of the public key's PEM text
  std::string payload;             // the signed statement
  Bytes signature;                 // DER
};

// The subject digest: SHA-256 of the raw digests in order; `files` of a model-release entry.
Digest FilesDigest(const std::vector<ReleaseFile>& files);

// The text of model.sig. `files` may come in any order. InvalidArgument: a name, a doubled one, or
// a count out of range. Other codes: as crypto::SignP256.
absl::StatusOr<std::string> SignRelease(absl::string_view name, std::vector<ReleaseFile> files,
                                        absl::string_view key_pem);

// DataLoss: longer than the limit, or a byte that differs from what SignRelease would write. The
// signature is not checked here.
absl::StatusOr<ReleaseBundle> ParseReleaseBundle(absl::string_view text);

// DataLoss: signed by another key, or the signature fails.
absl::Status VerifyReleaseBundle(const ReleaseBundle& bundle, absl::string_view public_pem);

// The folder holds exactly the signed files, with their digests, and kUnsignedFiles.
// DataLoss: a file differs, is missing or is not signed, or is not a regular file.
absl::Status CheckReleaseFolder(const ReleaseBundle& bundle, const std::filesystem::path& folder);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_RELEASE_BUNDLE_H_
