// The site's side of the wire. The site calls; nothing calls it. Messages become structs here,
// each field checked once, and an update becomes bytes here and nowhere else.
#ifndef HILUM_CLIENT_RPC_H_
#define HILUM_CLIENT_RPC_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "client/site_folder.h"
#include "client/update.h"
#include "ledger_anchor/witness_pipe.h"

namespace hilum::client {

// All PEM text; certificate and key are empty before the site has joined.
struct Credentials {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// Of a site that has joined. NotFound: a file is missing.
absl::StatusOr<Credentials> ReadCredentials(const SiteFolder& folder);

struct JobOffer {
  std::string job;
  std::string plan;  // canonical RoundPlan, not parsed yet
  bool approved = false;
  bool denied = false;
  std::string state;
  uint64_t round = 0;  // the last closed one
};

struct RoundNotice {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  Bytes config;  // encoded RoundConfig, not parsed yet
  std::string plan;
  std::string open_proof;
  std::string close_proof;
  bool update_accepted = false;
  // Of a masked round (privacy/secagg/flight.h); `flight` 0: open mode.
  uint32_t flight = 0;
  Digest flight_digest{};     // of the server's message that the flight begins with
  uint64_t flight_bytes = 0;  // 0: it begins with none
  bool flight_answered = false;
};

// All that concerns the site, now.
struct Snapshot {
  std::vector<JobOffer> jobs;
  std::vector<RoundNotice> rounds;
  int64_t server_time_s = 0;
};

struct JoinCall {
  std::string member;
  Bytes secret;
  std::string certificate_request;  // PEM
  Bytes entry_key;
  Bytes member_signature;
  int64_t joined_at_s = 0;
  std::string witness_vkey;
  std::string age_recipient;
};

struct JoinAnswer {
  std::string certificate;  // PEM
  std::string federation;
  std::string genesis_proof;
  std::string join_proof;
};

struct ProgressReport {
  std::string job;
  uint64_t round = 0;
  std::string phase;  // waiting, training, sending, refused
  uint32_t percent = 0;
  std::string reason;
  uint32_t attempt = 0;
};

// Which flight of a masked round a message belongs to.
struct FlightPlace {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  uint32_t flight = 0;
};

// An object that the ledger's entries or the record of a round name.
struct RoundObject {
  std::string job;
  uint64_t round = 0;
  Digest sha256{};
};

struct Receipt {
  Digest root{};
  bool repeated_send = false;
};

// What the sequencer says of an entry that this site signed.
struct EntryReceipt {
  uint64_t index = 0;
  Digest leaf_hash{};
  std::string proof;  // tlog-proof, not verified yet; empty: not cosigned yet
  bool repeated_send = false;
};

// One server. Thread-safe. Errors of every call: Unavailable when the server cannot be reached;
// else the server's own code and sentence; DataLoss when its answer breaks the protocol.
class Connection {
 public:
  Connection(const std::string& address, const Credentials& credentials);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Gives a server that was started this moment two seconds to listen.
  void WaitUntilConnected();
  absl::StatusOr<JoinAnswer> Join(const JoinCall& call);

  // Calls `on_snapshot` for each snapshot until the stream ends; returns why it ended.
  // Cancelled: StopWatch was called.
  absl::Status Watch(const std::function<void(Snapshot)>& on_snapshot);
  // Ends a Watch and a Witness of other threads, now and for ever.
  void StopWatch();

  // Answers the server's questions to this site's witness until the stream ends; returns why.
  // NotFound: the server asks no witness, or not this one. Cancelled: StopWatch was called.
  using AskWitness = std::function<absl::StatusOr<ledger_anchor::WitnessReply>(
      ledger_anchor::WitnessCall call, const std::string& body)>;
  absl::Status Witness(const AskWitness& ask);

  absl::Status Answer(const std::string& job, bool approve, const std::string& reason);
  absl::Status Report(const ProgressReport& report);
  // The whole file. DataLoss: longer than `limit_bytes`, or another SHA-256. Cancelled: `cancel`
  // was set; it is looked at between the pieces.
  absl::StatusOr<Bytes> FetchModel(const Digest& sha256, uint64_t limit_bytes,
                                   const std::atomic<bool>* cancel = nullptr);
  // An object of a round's evidence. Errors as FetchModel. NotFound: the round has no such one.
  absl::StatusOr<Bytes> FetchObject(const RoundObject& object, uint64_t limit_bytes,
                                    const std::atomic<bool>* cancel = nullptr);
  absl::StatusOr<Receipt> SubmitUpdate(const SignedUpdate& update);
  // A message of a masked round; durable at the server when this returns OK.
  absl::Status SendFlight(const FlightPlace& place, ByteView message);
  // What the flight begins with. DataLoss: longer than `limit_bytes`.
  absl::StatusOr<Bytes> FetchFlight(const FlightPlace& place, uint64_t limit_bytes);
  // DataLoss: the receipt is of another entry.
  absl::StatusOr<EntryReceipt> SubmitEntry(const std::string& entry);
  // The tlog-proof of the `nth` key-rotate of a member, from 1. NotFound: it has fewer.
  absl::StatusOr<std::string> FetchRotationProof(const std::string& member, uint64_t nth);
  // The tlog-proof of the member's `join` entry. NotFound: it has none.
  absl::StatusOr<std::string> FetchJoinProof(const std::string& member);
  // The tlog-proof of a round's entry, `type` round-open or round-close. NotFound: there is none.
  absl::StatusOr<std::string> FetchRoundProof(const std::string& job, uint64_t round,
                                              const std::string& type);
  // [32] each.
  absl::StatusOr<std::vector<Digest>> ProveConsistency(uint64_t old_size, uint64_t new_size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_RPC_H_
