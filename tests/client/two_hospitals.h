// A real server and the sites of two hospitals in one process.
#ifndef HILUM_TESTS_CLIENT_TWO_HOSPITALS_H_
#define HILUM_TESTS_CLIENT_TWO_HOSPITALS_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/film_cache.h"
#include "client/import.h"
#include "client/jobs.h"
#include "client/join.h"
#include "client/pseudonym.h"
#include "client/state.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {

inline constexpr char kJob[] = "cxr-test";

// A federation of two hospitals with six films each.
class TwoHospitals {
 public:
  struct Site {
    SiteFolder folder;
    SiteOptions options;
    std::unique_ptr<State> state;  // another connection than the agent's, as the commands have
    std::unique_ptr<TestAgent> agent;
  };

  // `server_ahead_s`: of the server's clock, from the beginning.
  explicit TwoHospitals(int64_t server_ahead_s = 0) {
    server_.clock.ahead_s = server_ahead_s;
    for (const char* name : {"hospital-a", "hospital-b"}) AddSite(name);
  }

  void AddSite(const std::string& name) { AddSite(name, name); }
  // A site with the films of a hospital of the demo.
  void AddSite(const std::string& name, const std::string& films) {
    Site& site = sites_[name];
    site.folder.root = NewFolder(name);
    HILUM_ASSERT_OK(
        Join(site.folder, {server_.Invite(name), server_.address(), SystemClock().NowSeconds()}));
    site.options.site = name;
    site.options.server = server_.address();
    site.options.allow_open = true;
    site.options.profile = "cxr96";
    HILUM_ASSERT_OK_AND_ASSIGN(site.state, State::Open(site.folder.database()));
    HILUM_ASSERT_OK_AND_ASSIGN(const SiteSecret secret,
                               LoadSiteSecret(site.folder.pseudonym_secret()));
    ImportOptions options;
    options.source = MakeSource(films, 6);
    options.profile = "cxr96";
    options.now_s = SystemClock().NowSeconds();
    HILUM_ASSERT_OK(Import(*site.state, FilmCache(site.folder.cache()), secret, options));
  }

  void StartAgents() {
    for (auto& [name, site] : sites_) {
      site.agent = std::make_unique<TestAgent>(site.folder, site.options);
    }
  }

  // Waits for the offer, then approves as `hilum site approve` does.
  void Approve(const std::string& job = kJob) {
    for (auto& [name, site] : sites_) {
      ASSERT_TRUE(WaitUntil([&] { return (*site.state->Job(job)).has_value(); })) << name;
      HILUM_ASSERT_OK(AnswerJob(*site.state, site.options, {.job = job, .approve = true}));
    }
  }

  bool Finished(uint64_t rounds) {
    const aggregator::JobView job = server_.Job(kJob);
    return job.state == aggregator::JobState::kDone && job.history.size() >= rounds;
  }

  std::vector<RoundRecord> RoundsOf(const std::string& site) {
    return *sites_[site].state->Rounds();
  }

  // Runs SmallPlan without disturbance; returns the last model.
  Digest RunJob() {
    StartAgents();
    server_.Launch(SmallPlan(kJob), VersionZero(SmallPlan(kJob)));
    Approve();
    EXPECT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
    return server_.Job(kJob).history.back().model;
  }

  TestServer server_;
  std::map<std::string, Site> sites_;
};

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_TWO_HOSPITALS_H_
