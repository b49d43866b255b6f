#include "cli/site_output.h"

#include <gmock/gmock.h>

#include "base/bytes.h"

namespace hilum::cli {
namespace {

// A site may take part in several jobs at a time: a note names its own.
TEST(SiteStatus, EachNoteNamesItsJob) {
  client::Overview overview;
  client::RoundRecord round;
  round.job = "cxr-1";
  round.round = 3;
  round.phase = "refused";
  round.reason = "too few films";
  overview.rounds.push_back(round);
  client::JobOverview job;
  job.record.job = "cxr-2";
  job.record.server_state = "running";
  job.policy = "allow_open is false";
  overview.jobs.push_back(job);
  const std::string text = OverviewText(overview);
  EXPECT_THAT(text, testing::HasSubstr("\njob cxr-1, round 3: too few films\n"));
  EXPECT_THAT(text, testing::HasSubstr("\njob cxr-2, policy: allow_open is false\n"));
}

// What left, under the digest that the round's receipt and the ledger name, not that of the file.
TEST(SiteStatus, ShowsTheRootOfAnUpdateAsItsReceiptDoes) {
  client::Overview overview;
  client::RoundRecord round;
  round.job = "cxr-1";
  round.sent_at_s = 1;
  round.n_bytes = 1;
  round.root.fill(0xab);
  round.sha256.fill(0xcd);
  overview.rounds.push_back(round);
  EXPECT_EQ(ShortRoot(ToHex(round.root)), "abababababababab");
  EXPECT_THAT(OverviewText(overview), testing::HasSubstr(" abababababababab "));
  EXPECT_THAT(OverviewText(overview), testing::Not(testing::HasSubstr("cdcd")));
}

}  // namespace
}  // namespace hilum::cli
