#include "client/manifest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "crypto/tree.h"

namespace hilum::client {

Manifest::Manifest(const SiteSecret& secret, absl::string_view nonce_context)
    : secret_(secret), context_(nonce_context) {}

void Manifest::Add(absl::string_view pid, absl::string_view sop, const Digest& content) {
  films_[std::string(pid)].push_back(absl::StrCat(sop, ToHex(content)));
}

Digest Manifest::Root() const {
  crypto::TreeHasher tree;
  for (const auto& [pid, films] : films_) {
    std::vector<std::string> sorted = films;
    std::sort(sorted.begin(), sorted.end());
    crypto::Sha256Stream content;
    for (const std::string& film : sorted) content.Update(film);
    Bytes context;
    AppendText(context, "manifest");
    AppendU8(context, 0);
    AppendText(context, context_);
    AppendU8(context, 0);
    AppendText(context, pid);
    Bytes leaf;
    AppendText(leaf, "hilum-manifest/v1\n");
    AppendText(leaf, pid);
    AppendBytes(leaf, content.Finish());
    AppendBytes(leaf, crypto::HmacSha256(secret_.bytes, context));
    tree.Add(leaf);
  }
  return tree.Root();
}

}  // namespace hilum::client
