// hilum-server as a program, for tests that see it as an operator does.
#ifndef HILUM_TESTS_AGGREGATOR_SERVER_PROGRAM_H_
#define HILUM_TESTS_AGGREGATOR_SERVER_PROGRAM_H_

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {

struct Result {
  int exit_code = -1;
  std::string output;  // standard output, then standard error
};

// Runs `program` with the arguments; `prefix` may set limits.
inline Result Call(const std::string& arguments, const std::string& prefix = "",
                   const std::string& program = "hilum-server") {
  const TempFolder folder;
  const std::string err = (folder.path() / "err").string();
  const std::string command = absl::StrCat(prefix, HILUM_BIN_DIR, "/", program, " ", arguments,
                                           " 2>", err, "; code=$?; cat ", err, "; exit $code");
  Result result;
  std::FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  size_t n = 0;
  while ((n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    result.output.append(buffer.data(), n);
  }
  result.exit_code = WEXITSTATUS(pclose(pipe));
  return result;
}

// The program in the background until the end of the scope (SIGKILL) or Stop (SIGTERM).
class Running {
 public:
  Running(const fs::path& folder, const std::string& prefix = "",
          const std::string& more = "--grpc 127.0.0.1:0 --http 127.0.0.1:0") {
    const absl::Time started = absl::Now();
    const std::string command =
        absl::StrCat(prefix, "exec ", HILUM_BIN_DIR, "/hilum-server run --json --dir ",
                     folder.string(), " ", more, " 2>", folder.string(), "/err");
    pipe_ = popen(absl::StrCat("echo $$; ", command).c_str(), "r");
    char line[1024];
    if (std::fgets(line, sizeof(line), pipe_) != nullptr) pid_ = std::atoi(line);
    if (std::fgets(line, sizeof(line), pipe_) != nullptr) {
      event_ = nlohmann::json::parse(line, nullptr, false);
    }
    start_ms_ = absl::ToInt64Milliseconds(absl::Now() - started);
  }
  ~Running() {
    if (pipe_ != nullptr) End(9);
  }
  int Stop() { return End(15); }
  std::string grpc() const { return event_["grpc"].get<std::string>(); }
  std::string http() const { return event_["http"].get<std::string>(); }
  int pid() const { return pid_; }
  bool listening() const { return event_.is_object() && event_["event"] == "listening"; }
  int64_t start_ms() const { return start_ms_; }

 private:
  int End(int signal) {
    kill(pid_, signal);
    const int status = pclose(pipe_);
    pipe_ = nullptr;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::FILE* pipe_ = nullptr;
  int pid_ = 0;
  nlohmann::json event_;
  int64_t start_ms_ = 0;
};

class Program : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = temporary_.path() / "server";
    const Result init =
        Call(absl::StrCat("init --json --dir ", dir_.string(), " --federation test.example"));
    ASSERT_EQ(init.exit_code, 0) << init.output;
    EXPECT_EQ(nlohmann::json::parse(init.output)["origin"], "test.example/ledger");
  }
  Result Verb(const std::string& verb, const std::string& more) {
    return Call(absl::StrCat(verb, " --dir ", dir_.string(), " ", more));
  }
  std::unique_ptr<TestSite> Join(const Running& server, const std::string& name) {
    const Result invite = Verb("invite", "--json --site " + name);
    EXPECT_EQ(invite.exit_code, 0) << invite.output;
    auto site = TestSite::Join(server.grpc(), nlohmann::json::parse(invite.output)["token"]);
    EXPECT_TRUE(site.ok()) << site.status();
    return *std::move(site);
  }
  // Two connected sites in the open first round of a job.
  void LaunchJob(const Running& server, const proto::RoundPlan& plan) {
    for (const char* name : {"hospital-a", "hospital-b"}) {
      sites_.push_back(Join(server, name));
      sites_.back()->Arrive();
    }
    const fs::path lead = dir_ / "operator";
    lead_ = {.ca_pem = *ReadTextFile(lead / "ca.pem", 1 << 16),
             .certificate_pem = *ReadTextFile(lead / "cert.pem", 1 << 16),
             .key_pem = *ReadTextFile(lead / "key.pem", 1 << 16)};
    const auto jobs = Lead(server);
    HILUM_ASSERT_OK_AND_ASSIGN(const Digest model, SendModel(*jobs, MakeModelFile(plan.spec, 1)));
    HILUM_ASSERT_OK(SendLaunch(*jobs, plan, model));
    for (const auto& site : sites_) HILUM_ASSERT_OK(site->Answer(plan.job, true));
  }
  std::unique_ptr<wire::Jobs::Stub> Lead(const Running& server) const {
    return wire::Jobs::NewStub(proto::OpenChannel(server.grpc(), lead_));
  }
  void Reconnect(const Running& server) {
    for (const auto& site : sites_) {
      site->Connect(server.grpc());
      site->Arrive();
    }
  }

  TempFolder temporary_;
  fs::path dir_;
  std::vector<std::unique_ptr<TestSite>> sites_;
  proto::TlsIdentity lead_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_TESTS_AGGREGATOR_SERVER_PROGRAM_H_
