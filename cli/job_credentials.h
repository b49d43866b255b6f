// The ML lead's credential folder: who it is to the server, and what it pins of the federation.
#ifndef HILUM_CLI_JOB_CREDENTIALS_H_
#define HILUM_CLI_JOB_CREDENTIALS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::cli {

struct LeadCredentials {
  std::string ca_pem, certificate_pem, key_pem;
  std::string address;  // HOST:PORT of the server's gRPC listener
  std::string federation;
  std::string origin;     // of the ledger
  std::string log_vkey;   // pinned
  std::string entry_key;  // pinned, base64: the aggregator's
  std::string policy;     // pinned tlog-policy: the folder's file `policy`; empty: no witnesses
  // PEM of the key that signs released models: the folder's file `release.pub`; empty: not known,
  // so that only the ledger says which signature is the federation's.
  std::string release_key;
};

// Reads ca.pem, cert.pem, key.pem and federation.json. `server`, if not empty, replaces the
// address. InvalidArgument: a file is missing or damaged, the certificate is expired or another's
// than the CA's or the key's, or the address is not HOST:PORT.
absl::StatusOr<LeadCredentials> ReadCredentials(const fs::path& folder, absl::string_view server);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_CREDENTIALS_H_
