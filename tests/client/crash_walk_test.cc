// Masked rounds in which the server, or one site, is killed (SIGKILL) at a point that the wrappers
// of writes, sends and acknowledgements name (base/process.h, CrashPoint). The killed program is
// started again; the round must finish, or fail closed with a reason.
//
// HILUM_WALK=all kills at every point, one after the other; by default at a sample of them.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/process.h"
#include "client/agent.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/round_record.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/r4_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/client/two_hospitals.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

namespace secagg = privacy::secagg;

constexpr char kVictimSite[] = "hospital-f";

std::string FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// --- The victim: this program once more, as a process that may die.

std::atomic<int64_t> points_left = 0;  // 0: none is the last
std::string points_file;               // each point is a line of it
std::string wanted_point;              // empty: by number; else the first after this many of it

void OnPoint(const char* point) {
  if (!points_file.empty()) {
    if (std::FILE* file = std::fopen(points_file.c_str(), "a")) {
      std::fprintf(file, "%s\n", point);
      std::fclose(file);
    }
  }
  if (!wanted_point.empty() && wanted_point != point) return;
  if (points_left.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
}

TEST(Victim, Runs) {
  const std::string role = FromEnvironment("HILUM_VICTIM");
  if (role.empty()) return;  // only as a child of the walk
  points_file = FromEnvironment("HILUM_VICTIM_POINTS");
  wanted_point = FromEnvironment("HILUM_VICTIM_POINT");
  points_left = std::atoll(FromEnvironment("HILUM_VICTIM_AT").c_str());
  const fs::path folder = FromEnvironment("HILUM_VICTIM_FOLDER");
  const std::string address = FromEnvironment("HILUM_VICTIM_ADDRESS");
  SetCrashHook(OnPoint);
  if (role == "server") {
    const TestServer server(folder, address);
    for (;;) pause();
  }
  SiteOptions options;
  options.site = kVictimSite;
  options.server = address;
  options.profile = "cxr96";
  TestAgent agent(SiteFolder{folder}, options);
  for (;;) pause();
}

// A child that runs Victim.Runs.
class Child {
 public:
  struct Options {
    std::string role;
    fs::path folder;
    std::string address;
    int64_t at = 0;     // dies at this point; 0: never
    std::string point;  // counts only points of this name
  };
  explicit Child(const Options& options) {
    points_ = NewFolder("points") / "points";
    std::vector<std::string> variables = {"HILUM_VICTIM=" + options.role,
                                          "HILUM_VICTIM_FOLDER=" + options.folder.string(),
                                          "HILUM_VICTIM_ADDRESS=" + options.address,
                                          absl::StrCat("HILUM_VICTIM_AT=", options.at),
                                          "HILUM_VICTIM_POINT=" + options.point,
                                          "HILUM_VICTIM_POINTS=" + points_.string()};
    for (char** variable = environ; *variable != nullptr; ++variable) {
      variables.emplace_back(*variable);
    }
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string program = fs::read_symlink("/proc/self/exe").string();
    std::string filter = "--gtest_filter=Victim.Runs";
    char* arguments[] = {program.data(), filter.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environment.data()),
              0);
  }
  ~Child() { Kill(); }
  Child(const Child&) = delete;

  bool HasDied() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
      pid_ = 0;
    }
    return pid_ == 0;
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::vector<std::string> Points() const {
    const auto text = ReadFile(points_, 1 << 24);
    if (!text.ok()) return {};
    return absl::StrSplit(AsText(*text), '\n', absl::SkipEmpty());
  }

 private:
  pid_t pid_ = 0;
  fs::path points_;
};

// --- The walk.

class CrashWalk : public ::testing::Test, public TwoHospitals {
 protected:
  void SetUp() override {
    const char* const names[] = {"hospital-c", "hospital-d", "hospital-e", kVictimSite};
    for (size_t i = 0; i < std::size(names); ++i) {
      AddSite(names[i], i % 2 == 0 ? "hospital-a" : "hospital-b");
    }
    for (auto& [name, site] : sites_) site.options.allow_open = false;
  }
  void StartOtherAgents(const std::string& victim) {
    for (auto& [name, site] : sites_) {
      if (name != victim) site.agent = std::make_unique<TestAgent>(site.folder, site.options);
    }
  }
  std::string Launch() {
    proto::RoundPlan plan = SmallPlan(absl::StrCat("walk-", ++n_jobs_));
    plan.rounds = 1;
    plan.aggregation.mode = "masked";
    plan.aggregation.suite = "chacha20";
    plan.cohort.minimum = 5;
    plan.cohort.grace_s = 10;
    server_.Launch(plan, VersionZero(plan));
    return plan.job;
  }
  // Approves at each site that has heard of the job and was not asked yet.
  void ApproveWhereItIsKnown(const std::string& job) {
    for (auto& [name, site] : sites_) {
      const auto record = site.state->Job(job);
      if (!record.ok() || !record->has_value() || approved_.count({job, name}) != 0) continue;
      if (AnswerJob(*site.state, site.options, {.job = job, .approve = true}).ok()) {
        approved_.insert({job, name});
      }
    }
  }
  // As the agents of the other sites hear of it; the server may be a child.
  bool IsOver(const std::string& job) {
    const auto record = sites_["hospital-a"].state->Job(job);
    return record.ok() && record->has_value() &&
           ((*record)->server_state == "done" || (*record)->server_state == "failed");
  }
  // The round counted enough and every counted site verified it, or it ended without a model.
  void ExpectSoundEnd(const std::string& job, const std::string& where) {
    const auto is_over = [&] {
      ApproveWhereItIsKnown(job);
      return IsOver(job);
    };
    ASSERT_TRUE(WaitUntil(is_over, 180)) << where;
    const aggregator::JobView view = server_.Job(job);
    ASSERT_EQ(view.history.size(), 1u) << where;
    const aggregator::RoundView& round = view.history[0];
    if (round.status != "ok") {
      EXPECT_FALSE(round.reason.empty()) << where;
      ++n_aborted_;
      return;
    }
    EXPECT_GE(round.cohort.size(), 5u) << where;
    EXPECT_TRUE(WaitUntil(
        [&] {
          const auto check = sites_["hospital-a"].state->Check(job, 1);
          return check.ok() && check->has_value() && (*check)->verified == "full";
        },
        60))
        << where;
  }

  // Who dies at an early point has not heard of the job: others may wait for it.
  bool WaitForDeathOrEnd(Child& child, const std::string& job) {
    const auto is_over = [&] {
      ApproveWhereItIsKnown(job);
      return child.HasDied() || IsOver(job);
    };
    return WaitUntil(is_over, 240);
  }
  // One round with the server dying at point `at`. Returns the points that it passed.
  std::vector<std::string> KillServer(int64_t at) {
    const std::string job = Launch();
    server_.Stop();
    Child child(
        {.role = "server", .folder = server_.folder(), .address = server_.address(), .at = at});
    EXPECT_TRUE(WaitForDeathOrEnd(child, job)) << at;
    child.Kill();
    server_.Start();
    ExpectSoundEnd(job, absl::StrCat("server killed at point ", at));
    return child.Points();
  }
  // The same with a site.
  std::vector<std::string> KillSite(int64_t at, const std::string& point = "") {
    Site& victim = sites_[kVictimSite];
    victim.agent.reset();
    Child child({.role = "site",
                 .folder = victim.folder.root,
                 .address = server_.address(),
                 .at = at,
                 .point = point});
    job_ = Launch();
    EXPECT_TRUE(WaitForDeathOrEnd(child, job_)) << at;
    child.Kill();
    OnDeath();
    victim.agent = std::make_unique<TestAgent>(victim.folder, victim.options);
    ExpectSoundEnd(job_, absl::StrCat("site killed at point ", at));
    return child.Points();
  }
  virtual void OnDeath() {}

  // All of `n`, or a sample that starts with the first and goes to the last.
  static std::vector<int64_t> PointsToWalk(size_t n) {
    constexpr size_t kSample = 4;
    const size_t n_walked = FromEnvironment("HILUM_WALK") == "all" ? n : std::min(n, kSample);
    std::vector<int64_t> points;
    for (size_t i = 0; i < n_walked; ++i) {
      points.push_back(static_cast<int64_t>(1 + i * (n - 1) / std::max<size_t>(n_walked - 1, 1)));
    }
    return points;
  }
  void Say(const std::string& who, size_t n_points, size_t n_walked) const {
    std::printf("%s: killed at %zu of %zu points; %d rounds failed closed\n", who.c_str(), n_walked,
                n_points, n_aborted_);
  }

  int n_jobs_ = 0;
  int n_aborted_ = 0;
  std::string job_;
  std::set<std::pair<std::string, std::string>> approved_;  // job and site
};

TEST_F(CrashWalk, TheServerAtItsPoints) {
  StartOtherAgents("");
  const size_t n_points = KillServer(0).size();
  ASSERT_GT(n_points, 50u) << "the wrappers name their points";
  const std::vector<int64_t> points = PointsToWalk(n_points);
  for (const int64_t at : points) {
    if (HasFatalFailure()) return;
    KillServer(at);
  }
  Say("server", n_points, points.size());
}

TEST_F(CrashWalk, ASiteAtItsPoints) {
  StartOtherAgents(kVictimSite);
  const size_t n_points = KillSite(0).size();
  ASSERT_GT(n_points, 20u) << "the wrappers name their points";
  const std::vector<int64_t> points = PointsToWalk(n_points);
  for (const int64_t at : points) {
    if (HasFatalFailure()) return;
    KillSite(at);
  }
  Say("site", n_points, points.size());
}

// The site dies when its answer is stored and before it leaves.
class StoredAnswer : public CrashWalk {
 protected:
  void OnDeath() override {
    stored_ = sites_[kVictimSite].state->Masked(
        {.job = job_, .round = 1, .attempt = 0, .kind = "answer", .record = {}});
  }
  // What the round record holds of the site's answer.
  secagg::RoundOpening Opening() {
    const auto view = server_.server().Proof(JobId{job_}, RoundId{1}, "round-close");
    EXPECT_TRUE(view.ok()) << view.status();
    const auto proof = ledger_anchor::ParseTlogProof(view->proof);
    const auto entry = ledger_anchor::ParseEntry(proof->extra);
    const auto& close = std::get<ledger_anchor::RoundClose>(entry->body);
    const std::string hex = ToHex(close.secagg->evidence);
    const auto text =
        ReadFile(server_.folder() / "objects/sha256" / hex.substr(0, 2) / hex.substr(2), 4 << 20);
    EXPECT_TRUE(text.ok()) << text.status();
    const auto record = ledger_anchor::ParseRoundRecord(AsText(*text));
    return secagg::DecodeRoundOpening(record->masked->opening).value();
  }
  absl::StatusOr<std::optional<Bytes>> stored_;
};

TEST_F(StoredAnswer, IsSentAgainUnchangedAfterARestart) {
  StartOtherAgents(kVictimSite);
  // R0.1, R0.2, R1.1, R1.2, R3, R4: the sixth message of a flight is the answer.
  KillSite(6, "flight send begins");
  ASSERT_TRUE(stored_.ok() && stored_->has_value()) << "the answer is on disk before it leaves";
  HILUM_ASSERT_OK_AND_ASSIGN(const secagg::AnswerRecord answer,
                             secagg::DecodeAnswerRecord(**stored_));
  ASSERT_EQ(server_.Job(job_).history[0].status, "ok");
  EXPECT_EQ(server_.Job(job_).history[0].cohort.size(), 6u);
  // The frame: rid (25), sender (2), then the body.
  HILUM_ASSERT_OK_AND_ASSIGN(const secagg::Unmasking sent,
                             secagg::DecodeUnmasking(ByteView(answer.message).subspan(27)));
  bool found = false;
  for (const secagg::MemberTag& tag : Opening().tags) {
    if (tag.index != 5) continue;
    found = true;
    EXPECT_EQ(tag.tag, sent.tag);
  }
  EXPECT_TRUE(found) << "the server has the stored answer";
}

}  // namespace
}  // namespace hilum::client
