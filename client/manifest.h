// The manifest of a round: a commitment to the films that were trained on.
#ifndef HILUM_CLIENT_MANIFEST_H_
#define HILUM_CLIENT_MANIFEST_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "client/pseudonym.h"
#include "ledger_anchor/consent_tree.h"

namespace hilum::client {

// Collects a round's films, in any order.
class Manifest {
 public:
  // `nonce_context` names job, round and attempt, so that the nonces of two rounds differ.
  Manifest(const SiteSecret& secret, absl::string_view nonce_context);

  void Add(absl::string_view pid, absl::string_view sop, const Digest& content);

  uint64_t n_patients() const { return films_.size(); }

  // RFC 6962 root over one leaf a patient, by ascending pid; leaf data are
  //   "hilum-manifest/v1\n" || pid || H(sorted "sop || content digest") || nonce (32)
  // where nonce = HMAC-SHA256(site secret, "manifest" || 0x00 || context || 0x00 || pid): nobody
  // without the secret can try out pids, and the site can open the commitment again later.
  Digest Root() const;

  // The same leaves, padded with dummies behind the last patient, as `train-manifest` commits to
  // them (ledger.md, section 9). InvalidArgument: more patients than a manifest takes.
  absl::StatusOr<std::vector<ledger_anchor::ManifestLeaf>> Leaves() const;

 private:
  Digest Content(const std::vector<std::string>& films) const;
  Digest Nonce(absl::string_view of, absl::string_view what) const;

  SiteSecret secret_;
  std::string context_;
  std::map<std::string, std::vector<std::string>> films_;  // by pid
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_MANIFEST_H_
