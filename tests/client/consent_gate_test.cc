#include "client/consent_gate.h"

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

ConsentRecord Record(const std::string& pid, bool permits, int64_t given_at_s) {
  ConsentRecord record;
  record.pid = pid;
  record.consent.permits = permits;
  record.consent.reason = permits ? "" : "provision denies";
  record.consent.given_at_s = given_at_s;
  return record;
}

TEST(ActiveSet, DeniesByDefault) {
  const ActiveSet active = ActiveSet::Build({}, 100);
  EXPECT_THAT(active.Check("p"), StatusIs(absl::StatusCode::kPermissionDenied, "no Consent"));
}

TEST(ActiveSet, TheNewestConsentDecides) {
  const std::vector<ConsentRecord> withdrawn = {Record("p", true, 10), Record("p", false, 20)};
  EXPECT_THAT(ActiveSet::Build(withdrawn, 100).Check("p"),
              StatusIs(absl::StatusCode::kPermissionDenied, "provision denies"));
  const std::vector<ConsentRecord> given_again = {Record("p", false, 10), Record("p", true, 20)};
  HILUM_EXPECT_OK(ActiveSet::Build(given_again, 100).Check("p"));
}

TEST(ActiveSet, WhereNoneIsNewestAllMustPermit) {
  const std::vector<ConsentRecord> equal = {Record("p", true, 10), Record("p", false, 10)};
  EXPECT_FALSE(ActiveSet::Build(equal, 100).Check("p").ok());
  const std::vector<ConsentRecord> undated = {Record("p", false, 0), Record("p", true, 10)};
  EXPECT_FALSE(ActiveSet::Build(undated, 100).Check("p").ok());
  const std::vector<ConsentRecord> one = {Record("p", true, 0)};
  HILUM_EXPECT_OK(ActiveSet::Build(one, 100).Check("p"));
}

// "2026-11-30" may be before or after an hour of that day: then a denial wins.
TEST(ActiveSet, WhereSpansOverlapAllMustPermit) {
  ConsentRecord day = Record("p", false, 1000);
  day.consent.given_until_s = 2000;
  const std::vector<ConsentRecord> unclear = {day, Record("p", true, 1500)};
  EXPECT_FALSE(ActiveSet::Build(unclear, 3000).Check("p").ok());
  const std::vector<ConsentRecord> clear = {day, Record("p", true, 2000)};
  HILUM_EXPECT_OK(ActiveSet::Build(clear, 3000).Check("p"));
}

// A permission from the future would outlive every revocation of today.
TEST(ActiveSet, ADateThatIsYetToComeDecidesNothing) {
  const std::vector<ConsentRecord> records = {Record("p", true, 4'000'000),
                                              Record("p", false, 1000)};
  EXPECT_FALSE(ActiveSet::Build(records, 2000).Check("p").ok());
}

TEST(ActiveSet, KeepsToThePeriod) {
  ConsentRecord record = Record("p", true, 10);
  record.consent.starts_s = 50;
  record.consent.ends_s = 60;
  const std::vector<ConsentRecord> records = {record};
  EXPECT_THAT(ActiveSet::Build(records, 49).Check("p"),
              StatusIs(absl::StatusCode::kPermissionDenied, "has not begun"));
  HILUM_EXPECT_OK(ActiveSet::Build(records, 50).Check("p"));
  HILUM_EXPECT_OK(ActiveSet::Build(records, 59).Check("p"));
  EXPECT_THAT(ActiveSet::Build(records, 60).Check("p"),
              StatusIs(absl::StatusCode::kPermissionDenied, "is over"));
}

TEST(ConsentGate, LetsNobodyThroughWithoutConsent) {
  HILUM_ASSERT_OK_AND_ASSIGN(const PreparedFilm film, ReadDemoFilm());
  const ActiveSet nobody = ActiveSet::Build({}, 100);
  EXPECT_THAT(ConsentGate(film, nobody), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  const std::vector<ConsentRecord> other = {Record("another", true, 1)};
  EXPECT_FALSE(ConsentGate(film, ActiveSet::Build(other, 100)).ok());
  const std::vector<ConsentRecord> own = {Record(film.patient(), true, 1)};
  HILUM_EXPECT_OK(ConsentGate(film, ActiveSet::Build(own, 100)));
}

}  // namespace
}  // namespace hilum::client
