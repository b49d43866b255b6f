// How a hospital becomes a member: keys are made here and stay here.
#ifndef HILUM_CLIENT_JOIN_H_
#define HILUM_CLIENT_JOIN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "client/site_folder.h"

namespace hilum::client {

struct JoinOptions {
  std::string token;   // what the operator handed over: base64url
  std::string server;  // HOST:PORT
  int64_t now_s = 0;
};

// What a person compares with the operator, by telephone for example.
struct JoinReport {
  std::string site;
  std::string federation;
  std::string origin;
  std::string log_vkey;
  Digest ca_fingerprint{};
  uint64_t join_index = 0;  // of the site's own entry in the ledger
};

// Makes the TLS key, the entry key and the pseudonym secret (mode 0600), pins what the token says
// (the federation's CA, the ledger's key and origin, the aggregator's entry key), asks the server
// for a certificate, and verifies it, the ledger's genesis and the site's own `join` entry against
// the pins. Works in FOLDER/.joining and moves up what is verified, site.toml last, so that a
// folder with one is whole. A join that the server did not take leaves the folder as it was. Only
// where the server may have taken it and its answer was lost, .joining stays: started again with
// the same token, the join goes on with the keys that are there.
// InvalidArgument: the token is damaged or names another role; the folder has joined, holds
// anything else, or an unfinished join with another token. PermissionDenied: the token has expired,
// or the server refuses it. Unavailable: the server cannot be reached. DataLoss: certificate or a
// proof does not verify.
absl::StatusOr<JoinReport> Join(const SiteFolder& folder, const JoinOptions& options);

// The text of a new site.toml: every key with its default and a comment.
std::string DefaultSiteToml(absl::string_view site, absl::string_view server);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_JOIN_H_
