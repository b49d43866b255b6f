#include "client/manifest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "crypto/tree.h"

namespace hilum::client {

Manifest::Manifest(const SiteSecret& secret, absl::string_view nonce_context)
    : secret_(secret), context_(nonce_context) {}

void Manifest::Add(absl::string_view pid, absl::string_view sop, const Digest& content) {
  films_[std::string(pid)].push_back(absl::StrCat(sop, ToHex(content)));
}

Digest Manifest::Content(const std::vector<std::string>& films) const {
  std::vector<std::string> sorted = films;
  std::sort(sorted.begin(), sorted.end());
  crypto::Sha256Stream content;
  for (const std::string& film : sorted) content.Update(film);
  return content.Finish();
}

Digest Manifest::Nonce(absl::string_view of, absl::string_view what) const {
  Bytes message;
  AppendText(message, of);
  AppendU8(message, 0);
  AppendText(message, context_);
  AppendU8(message, 0);
  AppendText(message, what);
  return crypto::HmacSha256(secret_.bytes, message);
}

Digest Manifest::Root() const {
  crypto::TreeHasher tree;
  for (const auto& [pid, films] : films_) {
    tree.AddLeafHash(ledger_anchor::ManifestLeafHash(
        {.pid = pid, .content = Content(films), .nonce = Nonce("manifest", pid)}));
  }
  return tree.Root();
}

absl::StatusOr<std::vector<ledger_anchor::ManifestLeaf>> Manifest::Leaves() const {
  HILUM_ASSIGN_OR_RETURN(const uint64_t count, ledger_anchor::PaddedCount(films_.size()));
  std::vector<ledger_anchor::ManifestLeaf> leaves;
  leaves.reserve(count);
  for (const auto& [pid, films] : films_) {
    leaves.push_back({.pid = pid, .content = Content(films), .nonce = Nonce("manifest", pid)});
  }
  while (leaves.size() < count) {
    leaves.push_back(
        {.pid = "", .content = {}, .nonce = Nonce("manifest-dummy", absl::StrCat(leaves.size()))});
  }
  return leaves;
}

}  // namespace hilum::client
