// The aggregation server without its network: jobs, rounds, presence, and the thread that moves
// them on. rpc and http are thin layers over it.
//
// Order of effects: state and store first (durable), then the ledger, then what others see.
#ifndef HILUM_AGGREGATOR_SERVER_H_
#define HILUM_AGGREGATOR_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "aggregator/compute.h"
#include "aggregator/federation.h"
#include "aggregator/membership.h"
#include "aggregator/submissions.h"
#include "aggregator/validate.h"
#include "aggregator/views.h"
#include "base/clock.h"
#include "crypto/age_keys.h"
#include "ledger_anchor/feed.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/store.h"

namespace hilum::aggregator {

// [anchor] of server.toml: a time-stamp authority (RFC 3161) that vouches for the ledger's age.
struct AnchorSettings {
  std::string url;
  std::string ca_pem;                       // the authority's certificates
  std::string policy;                       // an OID; "": any
  uint64_t every_s = 0;                     // 0: after each round
  absl::Duration retry = absl::Seconds(1);  // after a failure; doubles up to `retry_limit`
  absl::Duration retry_limit = absl::Minutes(5);
};

struct ServerOptions {
  const Clock* clock = &SystemClock();
  uint16_t audit_days = 365;  // the server promises to keep each update this long
  std::string licence = "LicenseRef-research-use-only";  // of released models (SPDX)
  uint64_t max_model_bytes = uint64_t{1} << 30;
  Compute compute;  // where the sum of a round is made
  // Each round's model is also sealed for the members and for `recipients` (seal.h), in D/sealed.
  bool seal = false;
  std::vector<crypto::AgeRecipient> recipients{};
  std::optional<AnchorSettings> anchor{};
};

class ServerCore;  // private to server*.cc

// A site's open Watch stream; while one lives, the site is connected.
class SiteWatch {
 public:
  ~SiteWatch();
  // What concerns the site now. PermissionDenied: the site was removed.
  absl::StatusOr<SiteView> View();
  // Waits for a change since the last View, or `timeout`. False: the server stops.
  bool Wait(absl::Duration timeout);

 private:
  friend class Server;
  SiteWatch(std::shared_ptr<ServerCore> core, SiteId site);
  std::shared_ptr<ServerCore> core_;
  SiteId site_;
  uint64_t seen_ = 0;
};

struct Receipt {
  Digest root{};
  bool repeated = false;
};

// Which flight of a masked round a message belongs to (privacy/secagg/flight.h).
struct FlightClaim {
  JobId job;
  RoundId round;
  uint32_t attempt = 0;
  uint32_t flight = 0;
};
struct DownMessages;
struct FlightDown {
  std::shared_ptr<const DownMessages> owner;
  ByteView message;  // in `owner`
};

// One update on its way in. One thread uses it.
class UpdateSession {
 public:
  ~UpdateSession();
  // As Upload::AddChunk.
  absl::Status AddChunk(uint32_t index, ByteView chunk);
  // Root and signature verified, vector in the store, state durable: then OK. The same update again
  // is OK and `repeated`. AlreadyExists: another update of the site was accepted before. Others as
  // Validate, Upload::Finish and Accumulator::Count.
  absl::StatusOr<Receipt> Finish(const UpdateSeal& seal);

 private:
  friend class Server;
  struct Impl;
  explicit UpdateSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Thread-safe.
class Server {
 public:
  // Reads the state; an open round goes on. A job whose stored rows cannot be read is set aside:
  // failed, with the reason. DataLoss: state, store, ledger and its receipts contradict.
  // InvalidArgument: options.anchor.
  static absl::StatusOr<std::unique_ptr<Server>> Create(std::unique_ptr<Federation> federation,
                                                        const ServerOptions& options);
  ~Server();
  // Starts and stops the thread that moves jobs and rounds on.
  void Start();
  void Stop();
  bool IsStopping() const;
  // Why the server stopped by itself; OK while it runs and after Stop.
  absl::Status failure() const;

  absl::StatusOr<Caller> Authenticate(absl::string_view certificate_pem);
  absl::StatusOr<JoinAnswer> Join(const JoinFields& fields);
  const FederationIdentity& identity() const;

  // Sites.
  std::unique_ptr<SiteWatch> Watch(const SiteId& site);
  // NotFound: no such job. FailedPrecondition: the job is over.
  absl::Status Answer(const SiteId& site, const JobId& job, const AnswerRow& answer);
  struct Progress {
    JobId job;
    RoundId round;
    std::string phase;  // waiting, training, sending, refused
    uint32_t percent = 0;
    std::string reason;
    uint32_t attempt = 0;
  };
  // InvalidArgument: another phase. Reports on other rounds than the open one change nothing.
  absl::Status Report(const SiteId& site, const Progress& progress);
  // A message of a masked round; durable when it returns. True: it is new. FailedPrecondition: not
  // the flight that is on, or the site was dropped. Others as MaskedAttempt::Take.
  absl::StatusOr<bool> TakeFlight(const SiteId& site, const FlightClaim& claim, ByteView message);
  // What the flight begins with, for this site. NotFound: nothing. FailedPrecondition: as above.
  absl::StatusOr<FlightDown> FlightFor(const SiteId& site, const FlightClaim& claim);
  // Whether the round takes updates now.
  bool IsCollecting(const JobId& job, RoundId round);
  // As CheckClaim; also ResourceExhausted: the site has two updates on their way already.
  absl::StatusOr<std::unique_ptr<UpdateSession>> BeginUpdate(const SiteId& site,
                                                             const UpdateClaim& claim);

  // As aggregator::SubmitEntry.
  absl::StatusOr<SubmittedEntry> SubmitEntry(const SiteId& site, const std::string& entry);

  // The site's witness can be asked through `way` until DetachWitness. NotFound: the site has no
  // witness, or the server's policy does not name it.
  absl::Status AttachWitness(const SiteId& site,
                             std::shared_ptr<ledger_anchor::WitnessTransport> way);
  void DetachWitness(const std::shared_ptr<ledger_anchor::WitnessTransport>& way);

  // Members. NotFound: not a model of this federation, or not an object of the round's evidence.
  absl::StatusOr<ledger_anchor::StoreReader> OpenModel(const Digest& sha256);
  absl::StatusOr<ledger_anchor::StoreReader> OpenObject(const JobId& job, RoundId round,
                                                        const Digest& sha256);
  // `type`: round-open, round-close or model-release; or join, of the member that `job` names; or
  // key-rotate: its `round`th rotation. NotFound. Unavailable: the witnesses have not cosigned it.
  absl::StatusOr<ProofView> Proof(const JobId& job, RoundId round, absl::string_view type);
  absl::StatusOr<ledger_anchor::HashList> ProveConsistency(uint64_t old_size, uint64_t new_size);

  // The lead. InvalidArgument, DataLoss: not a safetensors file within the limits.
  absl::StatusOr<Digest> PutModel(ByteView file);
  uint64_t max_model_bytes() const;
  // InvalidArgument: the plan. NotFound: the model was not put here. AlreadyExists: the job's name
  // is taken. FailedPrecondition: another job is active, or too few members.
  absl::StatusOr<JobView> Launch(absl::string_view plan, const Digest& model);
  // `rounds` > 0 is the new total. FailedPrecondition: the job cannot go on.
  absl::StatusOr<JobView> Resume(const JobId& job, uint64_t rounds);
  absl::StatusOr<JobView> Cancel(const JobId& job);
  absl::StatusOr<JobView> Job(const JobId& job);  // NotFound
  std::vector<JobView> Jobs();                    // without their histories
  FederationView Status();
  // Waits until something a lead sees has changed since `seen`, or `timeout`. Returns the new mark.
  uint64_t WaitForChange(uint64_t seen, absl::Duration timeout);

  CounterView Counters();
  std::filesystem::path LedgerFolder() const;  // the served files
  std::filesystem::path AnchorFolder() const;  // receipts of RFC 3161; may be absent

 private:
  explicit Server(std::shared_ptr<ServerCore> core);
  std::shared_ptr<ServerCore> core_;
  std::thread conductor_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_SERVER_H_
