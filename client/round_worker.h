// The thread that trains and sends, so that the agent's connection stays alive meanwhile.
#ifndef HILUM_CLIENT_ROUND_WORKER_H_
#define HILUM_CLIENT_ROUND_WORKER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/consent_store.h"
#include "client/pseudonym.h"
#include "client/rpc.h"
#include "client/site_folder.h"
#include "client/state.h"
#include "crypto/sign.h"

namespace hilum::client {

// What the worker is doing, for the server's live table and the site's own.
struct WorkerProgress {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  uint64_t run = 0;    // counts the calls of Start and Check
  bool check = false;  // of a round that is over: checking, checked, failed, cancelled
  // training, sending, accepted, refused, failed, cancelled; dropped: a masked round went on
  // without this site
  std::string phase;
  uint32_t percent = 0;
  std::string reason;  // with refused, dropped and failed
};

// One round at a time. Start, Cancel and Progress may be called from one other thread.
class RoundWorker {
 public:
  struct Site {
    const SiteFolder& folder;
    const SiteOptions& options;
    State& state;
    const SiteSecret& secret;
    const crypto::SigningKey& key;
    Connection& connection;
    ConsentStore* consents = nullptr;  // as RoundContext::consents
  };
  explicit RoundWorker(Site site);
  ~RoundWorker();  // cancels and waits

  // False: still busy with another round.
  bool Start(const RoundNotice& notice);
  // Judges a round that is over (CheckClosedRound), whose record is then in the state. False: busy.
  bool Check(const std::string& job, uint64_t round);
  // What the server says of the round now, if it is the one at work: a masked round goes by it.
  void Update(const RoundNotice& notice);
  // Stops training before its next step, sending before its next try, and a check before its next
  // object, vector or part of one.
  void Cancel();
  bool busy() const;
  // Of the current round, or of the last one; absent before the first.
  std::optional<WorkerProgress> Progress() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROUND_WORKER_H_
