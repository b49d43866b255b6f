// The server's folder D: who this federation is, its keys, ledger, store and state.
//
//   D/server.toml   ca/   keys/   ledger/   objects/   state.sqlite   operator/   logs/   run/
//   D/keys/release.key signs released models; its public half is D/operator/release.pub
//   D/policy        who must cosign the log before it is published; absent: nobody
#ifndef HILUM_AGGREGATOR_FEDERATION_H_
#define HILUM_AGGREGATOR_FEDERATION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aggregator/state.h"
#include "base/bytes.h"
#include "base/file.h"
#include "crypto/certificate.h"
#include "crypto/sign.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/store.h"

namespace hilum::aggregator {

inline constexpr absl::string_view kLeadName = "lead";

// Appends to the ledger keep this much of the disk free: a log whose disk fills in the middle of a
// write has to stop for good (ledger.md 4.1), so it is better not to begin.
inline constexpr uint64_t kReserveBytes = 16 << 20;

struct InitOptions {
  fs::path folder;         // new or empty
  std::string federation;  // 1 to 200 of [a-z0-9.-], best a domain; origin = it + "/ledger"
  std::vector<std::string>
      hosts;                // names and addresses in the server's certificate, beside loopback
  std::string server_toml;  // the text of the configuration file, written as it stands
  std::string address;      // HOST:PORT of gRPC, for the lead's credential folder
  int64_t now_s = 0;
};

// Makes the whole folder or, after a failure, nothing: it is built beside `folder` and renamed.
// AlreadyExists: the folder holds something. InvalidArgument: the federation's name.
absl::Status InitFederation(const InitOptions& options);

// What nobody needs the log for: an invitation can be made while the server runs.
struct FederationIdentity {
  fs::path folder;
  std::string name;
  std::string origin;
  std::string log_vkey;
  crypto::PublicKey entry_key;  // of the aggregator
  Digest genesis_leaf{};
  std::string address;  // HOST:PORT of gRPC, for the lead
  std::array<uint8_t, 16> id{};
  std::string ca_pem;
};
// Writes operator/federation.json: what the lead pins, and where the server is.
absl::Status WriteIdentity(const FederationIdentity& identity);
// NotFound: no such folder, or `hilum server init` was not run. DataLoss: a file is damaged.
absl::StatusOr<FederationIdentity> ReadIdentity(const fs::path& folder);

// Makes `policy` the server's (D/policy), from its next start, and the lead's (D/operator/policy).
absl::Status InstallPolicy(const FederationIdentity& identity, absl::string_view policy);

// The open folder. One process at a time holds it.
struct Federation {
  FederationIdentity identity;
  ledger_anchor::Store store;
  std::unique_ptr<ledger_anchor::Log> log;
  std::unique_ptr<State> state;
  crypto::SigningKey entry_key;
  crypto::CertifiedKey ca;
  crypto::CertifiedKey tls;
  std::string release_key_pem;  // P-256, D/keys/release.key: signs released models
  Digest build{};               // of this program's name and version
  // The policy of D/policy, when it asks for witnesses.
  std::optional<ledger_anchor::Policy> policy{};
  // Called after each append, so that witnesses are asked; may be empty.
  std::function<void()> on_grown{};

  // Appends one signed entry to the log; it is durable when this returns.
  // ResourceExhausted: less than kReserveBytes are free; nothing was written. DataLoss: not
  // admitted. Other codes: the log is broken and the server must stop (IsBroken).
  absl::StatusOr<ledger_anchor::LogReceipt> Append(const std::string& entry);
  // As Log::Prove, but waits up to `limit` until the witnesses have cosigned the entry.
  absl::StatusOr<std::string> Prove(uint64_t index, absl::Duration limit = kCosignLimit) const;
  static constexpr absl::Duration kCosignLimit = absl::Seconds(10);
  std::atomic<bool> closing = false;  // nobody waits any longer
  // An append failed half way: only a restart helps.
  bool IsBroken() const { return broken; }
  std::atomic<bool> broken = false;
};

// FailedPrecondition: another process holds the log; state of another version. NotFound, DataLoss:
// as ReadIdentity, and as ledger_anchor::Log::Open. InvalidArgument: D/policy is no policy of this
// log.
absl::StatusOr<std::unique_ptr<Federation>> OpenFederation(const fs::path& folder);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_FEDERATION_H_
