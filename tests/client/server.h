// A real server in the test's own process, and what a lead does with it.
#ifndef HILUM_TESTS_CLIENT_SERVER_H_
#define HILUM_TESTS_CLIENT_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/federation.h"
#include "aggregator/rpc.h"
#include "aggregator/server.h"
#include "base/clock.h"
#include "client/agent.h"
#include "client/site_folder.h"
#include "proto/round_plan.h"

namespace hilum::client {

// The computer's clock, which a test moves on.
class MovedClock : public Clock {
 public:
  int64_t NowSeconds() const override { return SystemClock().NowSeconds() + ahead_s; }
  int64_t MonotonicMs() const override { return SystemClock().MonotonicMs(); }
  std::atomic<int64_t> ahead_s = 0;
};

class TestServer {
 public:
  // A new federation in a new folder; failures end the test.
  TestServer();
  // The federation of another TestServer that has stopped, or whose process died.
  TestServer(fs::path folder, std::string address);
  ~TestServer();

  void Start();
  // Ends without a word to anybody, as far as a process can do that to itself; the folder stays.
  void Stop();

  std::string Invite(const std::string& site);
  const std::string& address() const { return address_; }
  aggregator::Server& server() { return *server_; }
  const fs::path& folder() const { return folder_; }

  // Puts the model and launches; returns the plan's bytes.
  std::string Launch(const proto::RoundPlan& plan, const Bytes& model);
  aggregator::JobView Job(const std::string& job);

  MovedClock clock;  // the server's

 private:
  fs::path folder_;
  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<aggregator::Server> server_;
  std::unique_ptr<aggregator::RpcListener> listener_;
};

// Version 0 of covidnet-nano for cxr96, two classes, as `hilum model init` makes it.
Bytes VersionZero(const proto::RoundPlan& plan);
// A job of two rounds on it that two sites can run within seconds.
proto::RoundPlan SmallPlan(const std::string& job);

// One agent in a thread of its own.
class TestAgent {
 public:
  TestAgent(const SiteFolder& folder, const SiteOptions& options);
  ~TestAgent();  // stops it
  // Why it ended; waits for that.
  absl::Status Ended();
  std::vector<AgentEvent> Events();
  bool Saw(const std::string& event);

 private:
  std::mutex mutex_;
  std::vector<AgentEvent> events_;
  std::atomic<bool> stop_ = false;
  std::unique_ptr<Agent> agent_;
  absl::Status ended_;
  std::thread thread_;
};

// Polls until `done` or `limit_s` seconds are over.
bool WaitUntil(const std::function<bool()>& done, int limit_s = 60);

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_SERVER_H_
