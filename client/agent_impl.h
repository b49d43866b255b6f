// Private to agent*.cc: what the agent's parts share.
#ifndef HILUM_CLIENT_AGENT_IMPL_H_
#define HILUM_CLIENT_AGENT_IMPL_H_

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/file.h"
#include "client/agent.h"
#include "client/check_retry.h"
#include "client/consent_store.h"
#include "client/jobs.h"
#include "client/pseudonym.h"
#include "client/round_worker.h"
#include "client/rpc.h"
#include "client/state.h"
#include "client/witness_stream.h"
#include "crypto/sign.h"

namespace hilum::client {

using RoundKey = std::tuple<std::string, uint64_t, uint32_t>;

inline RoundKey KeyOf(const RoundNotice& notice) {
  return {notice.job, notice.round, notice.attempt};
}

struct Agent::Impl {
  SiteFolder folder;
  SiteOptions options;
  std::mutex emit_mutex;
  std::function<void(const AgentEvent&)> on_event;
  std::optional<FileLock> lock;
  std::unique_ptr<State> state;
  std::unique_ptr<ConsentStore> consents;
  SiteSecret secret;
  std::optional<crypto::SigningKey> key;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<RoundWorker> worker;
  std::string log_vkey;                    // of the pinned log
  std::unique_ptr<WitnessStream> witness;  // while the agent runs

  // Between the watching thread and the others.
  std::mutex mutex;
  std::condition_variable wake;
  std::optional<Snapshot> arrived;  // not yet looked at
  absl::Status final_error;
  bool stopping = false;

  // Of the main thread.
  std::optional<Snapshot> current;
  bool fresh = false;          // `current` has parts that no tick has dealt with to the end
  int64_t held_until_ms = 0;   // no tick before this time
  bool holding = false;        // said so
  std::set<RoundKey> waiting;  // rounds that wait for a reason that may mend; said so
  std::map<std::string, int64_t> answered_ms;  // job -> when the answer was last sent
  std::set<std::string> offered;
  std::set<RoundKey> started;
  std::set<RoundKey> refused;            // refusals that are in `unsent` or were sent
  std::map<RoundKey, int64_t> retry_ms;  // not before this time
  std::set<CheckKey> checked;            // rounds that are over, looked at and said
  CheckRetries check_retries;
  int64_t checks_ms = 0;                     // when CheckRounds last looked
  std::map<std::string, int64_t> masked_ms;  // job -> when a masked round of it was last listed
  uint64_t last_run = 0;                     // of the worker, that AfterWork has looked at
  std::vector<ProgressReport> unsent;        // refusals that the server has not heard
  std::string last_report;
  int64_t last_report_ms = 0;
  bool clock_warned = false;
  const int64_t started_s = SystemClock().NowSeconds();
  int64_t unlisted_since_ms = 0;  // the round at work; 0: the server lists it
  int64_t consents_ms = 0;        // when the ledger was last compared with the consents

  void Emit(const std::string& event,
            std::vector<std::pair<std::string, std::string>> fields = {}) {
    if (on_event) on_event({event, std::move(fields)});
  }
  int64_t NowMs() const { return SystemClock().MonotonicMs(); }

  void WatchLoop();
  void StartWitness();
  void TakeSnapshot(Snapshot snapshot);
  absl::Status Tick();
  absl::Status TickOrHold();
  absl::Status ReconcileJobs();
  void SendAnswer(const JobOffer& offer, const JobRecord& job);
  absl::Status LogConsents(const std::string& job);
  void FollowConsents();
  absl::Status UseKeyOfRoster(const RoundNotice& notice);
  absl::Status ChangeKey(const std::vector<crypto::PublicKey>& valid);
  absl::Status ReconcileRounds();
  absl::StatusOr<bool> IsHalted(const RoundNotice& notice);
  bool IsOverAtServer();
  absl::Status StartRound(const RoundNotice& notice);
  absl::Status ResendAnswer(const RoundNotice& notice);
  absl::Status CloseRounds();
  void AfterWork();
  absl::Status CheckRounds();
  bool AwaitsMaskedRound(const JobOffer& offer) const;
  absl::StatusOr<bool> IsChecked(const CheckKey& key);
  void SayChecked(const CheckRecord& check);
  void AfterCheck(const WorkerProgress& work);
  void ReportProgress();
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_AGENT_IMPL_H_
