#include "aggregator/http.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>

#include "base/file.h"
#include "httplib.h"
#include "ledger_anchor/page.h"
#include "ledger_anchor/reader.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

class Http : public testing::Test {
 protected:
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(listener_, ServeHttp(&federation_.server(), "127.0.0.1:0"));
    client_ = std::make_unique<httplib::Client>("http://" + listener_->address());
  }
  TestFederation federation_;
  std::unique_ptr<HttpService> listener_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(Http, ServesTheLedgerSoThatAReaderVerifiesIt) {
  const auto sites = federation_.AddSites(2);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto fetch,
                             ledger_anchor::HttpFetch("http://" + listener_->address()));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto view, ledger_anchor::VerifyLog(fetch, {}));
  EXPECT_EQ(view.entries.size(), 3u);
  EXPECT_EQ(client_->Get("/checkpoint")->get_header_value("Content-Type"),
            "text/plain; charset=utf-8");
}

TEST_F(Http, GivesNoOtherFile) {
  for (const char* path : {"/state.sqlite", "/tile/../../state.sqlite", "/tile/0/00",
                           "/tile/%2e%2e/%2e%2e/journal", "/operator/key.pem", "/index.html"}) {
    EXPECT_EQ(client_->Get(path)->status, 404) << path;
  }
}

// Each range of a request would be another copy of the file in memory.
TEST_F(Http, SendsWholeFilesWhateverRangesAreAskedFor) {
  std::string ranges = "bytes=0-";
  for (int i = 0; i < 2000; ++i) ranges += ",0-";
  const auto whole = client_->Get("/checkpoint");
  const auto found = client_->Get("/checkpoint", httplib::Headers{{"Range", ranges}});
  ASSERT_TRUE(found && whole);
  EXPECT_EQ(found->status, 200);
  EXPECT_EQ(found->body, whole->body);
  EXPECT_EQ(client_->Get("/nothing", httplib::Headers{{"Range", ranges}})->status, 404);
}

TEST_F(Http, ServesThePageUnderAStrictPolicy) {
  for (const ledger_anchor::PageFile& file : ledger_anchor::PageFiles()) {
    const auto answer = client_->Get("/" + std::string(file.path));
    EXPECT_EQ(answer->status, 200) << file.path;
    EXPECT_EQ(answer->body, file.bytes);
    EXPECT_EQ(answer->get_header_value("Content-Type"), ledger_anchor::PageType(file.path));
    EXPECT_EQ(answer->get_header_value("X-Content-Type-Options"), "nosniff");
    const std::string policy = answer->get_header_value("Content-Security-Policy");
    EXPECT_THAT(policy, testing::StartsWith("default-src 'none'; script-src 'self';"));
    EXPECT_THAT(policy, testing::HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, testing::Not(testing::HasSubstr("unsafe")));
  }
  const auto root = client_->Get("/");
  EXPECT_EQ(root->status, 302);
  EXPECT_EQ(root->get_header_value("Location"), "ledger.html");
  for (const char* path : {"/ledgerxhtml", "/ledger/", "/ledger/../ledger.html", "/ledger/x.js"}) {
    EXPECT_EQ(client_->Get(path)->status, 404) << path;
  }
}

TEST_F(Http, ServesThePolicyOnceThereIsOne) {
  EXPECT_EQ(client_->Get("/policy")->status, 404);
  const fs::path path = federation_.server().identity().folder / "policy";
  HILUM_ASSERT_OK(WriteFileDurably(path, AsBytes("quorum none\n")));
  EXPECT_EQ(client_->Get("/policy")->body, "quorum none\n");
}

TEST_F(Http, TellsHealthAndMetrics) {
  EXPECT_EQ(client_->Get("/healthz")->body, "ok\n");
  EXPECT_THAT(client_->Get("/status")->body, testing::HasSubstr("\"witnesses\": []"));
  const std::string metrics = client_->Get("/metrics")->body;
  EXPECT_THAT(metrics, testing::HasSubstr("hilum_ledger_entries 1\n"));
  EXPECT_THAT(metrics, testing::HasSubstr("hilum_rounds_total{status=\"ok\"} 0\n"));
}

TEST_F(Http, APortInUseIsNamed) {
  EXPECT_THAT(ServeHttp(&federation_.server(), listener_->address()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "cannot listen on " + listener_->address() + " for HTTP"));
  EXPECT_THAT(ServeHttp(&federation_.server(), "nonsense"),
              StatusIs(absl::StatusCode::kInvalidArgument, "must be HOST:PORT"));
}

// A stop that came before the library's loop ran was lost, and the join after it never ended.
TEST(HttpService, AStopRightAfterTheStartReturns) {
  TestFederation federation;
  auto stopped = std::async(std::launch::async, [&federation] {
    for (int i = 0; i < 200; ++i) {
      if (!ServeHttp(&federation.server(), "127.0.0.1:0").ok()) return false;
    }
    return true;
  });
  // Nothing can end a hung join: the process does.
  if (stopped.wait_for(std::chrono::seconds(60)) != std::future_status::ready) std::abort();
  EXPECT_TRUE(stopped.get());
}

TEST(FormatStatus, ShowsEachWitnessAndItsTrouble) {
  CounterView counters{.ledger_size = 14, .published_size = 13, .witnesses = 1};
  counters.each_witness = {
      {.name = "w.example", .connected = true, .size = 13, .trouble = "\xff\""}};
  const std::string text = FormatStatus(counters);
  for (const char* part : {"\"published_entries\": 13", "\"name\": \"w.example\"",
                           "\"connected\": true", "\"cosigned_entries\": 13", "\xef\xbf\xbd\\\""}) {
    EXPECT_THAT(text, testing::HasSubstr(part));
  }
}

TEST(FormatMetrics, CountsWhatHappened) {
  const std::string text = FormatMetrics({.rounds_ok = 3,
                                          .rounds_aborted = 1,
                                          .updates_accepted = 18,
                                          .updates_refused = 2,
                                          .received_bytes = 1000,
                                          .sum_seconds = 0.5,
                                          .sites_connected = 6,
                                          .uploads = 2,
                                          .ledger_size = 14,
                                          .published_size = 13,
                                          .witnesses = 6,
                                          .witnesses_connected = 5});
  for (const char* line :
       {"hilum_rounds_total{status=\"aborted\"} 1", "hilum_updates_total{outcome=\"accepted\"} 18",
        "hilum_received_bytes_total 1000", "hilum_close_seconds_total 0.5",
        "hilum_sites_connected 6", "hilum_uploads 2", "# TYPE hilum_ledger_entries gauge",
        "hilum_ledger_published_entries 13", "hilum_witnesses 6", "hilum_witnesses_connected 5"}) {
    EXPECT_THAT(text, testing::HasSubstr(line));
  }
}

}  // namespace
}  // namespace hilum::aggregator
