// What a quorum of real witnesses has cosigned is published; one that is away, lies or does not
// know the log costs the others nothing.
#include "aggregator/witnesses.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/witness.h"
#include "ledger_anchor/witness_folder.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::FeedResult;
using ledger_anchor::FeedVerdict;
using ledger_anchor::WitnessReply;

class ManualClock : public Clock {
 public:
  int64_t NowSeconds() const override { return now_s; }
  int64_t MonotonicMs() const override { return now_s * 1000; }
  std::atomic<int64_t> now_s = 1'767'000'000;
};

// A real witness, one call away.
class NearWitness : public ledger_anchor::WitnessTransport {
 public:
  NearWitness(const fs::path& folder, const std::string& name, ledger_anchor::VerifierKey log,
              const Clock& clock)
      : clock_(clock) {
    vkey = ledger_anchor::CreateWitness(folder, name).value();
    opened_.emplace(ledger_anchor::OpenWitness(folder).value());
    witness_.emplace(ledger_anchor::Witness{
        .name = name, .key = opened_->key, .logs = {std::move(log)}, .store = *opened_->store});
  }
  absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) override {
    if (away) return absl::UnavailableError("no answer came");
    if (lies) return WitnessReply{.status = 200, .body = "no cosignature\n"};
    return HandleAddCheckpoint(*witness_, body, static_cast<uint64_t>(clock_.NowSeconds()));
  }
  absl::StatusOr<WitnessReply> GetCheckpoint() override {
    return HandleGetCheckpoint(*witness_, ToHex(ledger_anchor::H(witness_->logs[0].name)));
  }
  std::string vkey;
  std::atomic<bool> away = false, lies = false;

 private:
  const Clock& clock_;
  std::optional<ledger_anchor::OpenedWitness> opened_;
  std::optional<ledger_anchor::Witness> witness_;
};

// Five witnesses, of which four are asked for: one may lie, one may be away.
class WitnessesTest : public testing::Test {
 protected:
  void SetUp() override {
    federation_.Start();
    const ledger_anchor::Log::Options options{folder_.path() / "ledger",
                                              ledger_anchor::Federation::kOrigin, false};
    HILUM_ASSERT_OK(
        ledger_anchor::Log::Create(options, federation_.LogKey(), federation_.texts[0]).status());
    Open();
    std::string text = absl::StrCat("log ", FormatVerifierKey(federation_.LogVkey()), "\n");
    for (int i = 0; i < 5; ++i) {
      const std::string name = absl::StrCat("w", i, ".example");
      near_.push_back(std::make_shared<NearWitness>(folder_.path() / name, name,
                                                    federation_.LogVkey(), clock_));
      absl::StrAppend(&text, "witness w", i, " ", near_.back()->vkey, "\n");
    }
    absl::StrAppend(&text, "group most 4 w0 w1 w2 w3 w4\nquorum most\n");
    HILUM_ASSERT_OK_AND_ASSIGN(policy_, ledger_anchor::ParsePolicy(text));
  }
  void Open() {
    log_.reset();
    const ledger_anchor::Log::Options options{folder_.path() / "ledger",
                                              ledger_anchor::Federation::kOrigin, true};
    HILUM_ASSERT_OK_AND_ASSIGN(log_, ledger_anchor::Log::Open(options, federation_.LogKey()));
  }
  void Start() {
    Witnesses::Hooks hooks;
    hooks.on_published = [this] { ++n_published_; };
    hooks.on_fault = [this](const std::string& name, const FeedResult& result) {
      const absl::MutexLock lock(&mutex_);
      faults_.push_back(absl::StrCat(name, ": ", result.reason));
    };
    hooks.on_contradiction = [this](const std::string&, const FeedResult& result) {
      const absl::MutexLock lock(&mutex_);
      contradiction_ = result.evidence;
    };
    HILUM_ASSERT_OK_AND_ASSIGN(witnesses_,
                               Witnesses::Create(log_.get(), policy_,
                                                 {.clock = &clock_,
                                                  .retry = absl::Milliseconds(10),
                                                  .retry_limit = absl::Milliseconds(50)},
                                                 std::move(hooks)));
    witnesses_->Start();
    for (int i = 0; i < 5; ++i) {
      HILUM_ASSERT_OK(witnesses_->Attach(absl::StrCat("w", i, ".example"), near_[i]));
    }
  }
  void KeepCopy() {
    log_.reset();
    fs::copy(folder_.path() / "ledger", folder_.path() / "copy", fs::copy_options::recursive);
    Open();
  }
  void RestoreCopy() {
    witnesses_.reset();
    log_.reset();
    fs::remove_all(folder_.path() / "ledger");
    fs::rename(folder_.path() / "copy", folder_.path() / "ledger");
    Open();
  }
  void Grow() {
    const auto entry = federation_.Draft(ledger_anchor::Incident{
        "stale", 0, absl::StrCat("thing-", federation_.texts.size()), ledger_anchor::H("e")});
    HILUM_ASSERT_OK(log_->Append(federation_.Add(entry)).status());
    witnesses_->Grew();
  }
  // At the latest after 10 s.
  template <class Condition>
  static bool Soon(const Condition& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) absl::SleepFor(absl::Milliseconds(10));
    return condition();
  }
  bool PublishedSoon(uint64_t size) {
    return Soon([&] { return log_->Published().size == size; });
  }
  size_t n_faults() {
    const absl::MutexLock lock(&mutex_);
    return faults_.size();
  }

  ManualClock clock_;
  ledger_anchor::TemporaryFolder folder_;
  ledger_anchor::Federation federation_;
  ledger_anchor::Policy policy_;
  std::unique_ptr<ledger_anchor::Log> log_;
  std::vector<std::shared_ptr<NearWitness>> near_;
  std::atomic<int> n_published_ = 0;
  absl::Mutex mutex_;
  std::vector<std::string> faults_ ABSL_GUARDED_BY(mutex_);
  std::string contradiction_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Witnesses> witnesses_;  // the last: its threads use all the others
};

TEST_F(WitnessesTest, PublishWhatAQuorumCosigned) {
  Start();
  for (uint64_t size = 2; size < 6; ++size) {
    Grow();
    ASSERT_TRUE(PublishedSoon(size));
    HILUM_EXPECT_OK(ledger_anchor::CheckPolicy(
        policy_, log_->PublishedNote(), {.now_s = static_cast<uint64_t>(clock_.NowSeconds())}));
  }
  EXPECT_GE(n_published_, 4);
  EXPECT_EQ(n_faults(), 0u);
  ASSERT_TRUE(Soon([&] {
    const auto views = witnesses_->View();
    return std::all_of(views.begin(), views.end(), [](const auto& v) { return v.size == 5; });
  })) << "who comes after the quorum cosigns too";
}

TEST_F(WitnessesTest, OneMayBeAwayTwoHoldItUpAndNothingIsLost) {
  near_[0]->away = true;
  Start();
  Grow();
  ASSERT_TRUE(PublishedSoon(2));
  near_[1]->away = true;
  Grow();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(log_->Published().size, 2u);
  Grow();
  near_[1]->away = false;
  ASSERT_TRUE(PublishedSoon(4));
  EXPECT_EQ(n_faults(), 0u) << "a witness that is away is no fault";
  EXPECT_NE(witnesses_->View()[0].trouble, "");
}

TEST_F(WitnessesTest, ALyingWitnessIsReportedOnce) {
  near_[2]->lies = true;
  Start();
  for (uint64_t size = 2; size < 5; ++size) {
    Grow();
    ASSERT_TRUE(PublishedSoon(size));
  }
  ASSERT_TRUE(Soon([&] { return n_faults() > 0; }));
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(n_faults(), 1u);
}

TEST_F(WitnessesTest, CosignaturesAreRenewed) {
  Start();
  Grow();
  ASSERT_TRUE(PublishedSoon(2));
  clock_.now_s += 3600;
  const ledger_anchor::QuorumOptions now{.now_s = static_cast<uint64_t>(clock_.NowSeconds()),
                                         .max_age_s = 600};
  EXPECT_TRUE(
      Soon([&] { return ledger_anchor::CheckPolicy(policy_, log_->PublishedNote(), now).ok(); }));
}

TEST_F(WitnessesTest, AnOlderCopyOfTheLogIsContradicted) {
  KeepCopy();
  Start();
  Grow();
  Grow();
  ASSERT_TRUE(PublishedSoon(3));
  RestoreCopy();
  Start();
  ASSERT_TRUE(Soon([&] {
    const absl::MutexLock lock(&mutex_);
    return !contradiction_.empty();
  }));
  EXPECT_EQ(log_->Published().size, 1u);
}

// docs/ledger.md, section 4.2: before the first witness answers, too.
TEST_F(WitnessesTest, AnOlderCopyOfTheLogSignsNothing) {
  KeepCopy();
  Start();
  Grow();
  ASSERT_TRUE(PublishedSoon(2));
  for (const auto& witness : near_) witness->away = true;
  RestoreCopy();
  ledger_anchor::Federation other;  // what the copy would log goes another way
  other.Start();
  Start();
  const auto entry =
      other.Draft(ledger_anchor::Incident{"stale", 0, "another-thing", ledger_anchor::H("e")});
  HILUM_ASSERT_OK(log_->Append(other.Sign(entry)).status());
  witnesses_->Grew();
  for (int i = 0; i < 3; ++i) near_[i]->away = false;
  ASSERT_TRUE(Soon([&] {
    const absl::MutexLock lock(&mutex_);
    return !contradiction_.empty();
  }));
  EXPECT_EQ(log_->LastCheckpoint().size, 1u) << "no signature beside the one that witnesses hold";
}

TEST_F(WitnessesTest, AfterARestartTheQuorumLetsItSignAgain) {
  Start();
  Grow();
  ASSERT_TRUE(PublishedSoon(2));
  near_[0]->away = near_[1]->away = true;
  witnesses_.reset();
  Open();
  Start();
  Grow();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(log_->LastCheckpoint().size, 2u);
  EXPECT_EQ(log_->size(), 3u);
  near_[1]->away = false;
  EXPECT_TRUE(PublishedSoon(3));
}

TEST_F(WitnessesTest, AContradictionCountsAlsoAfterAFault) {
  KeepCopy();
  Start();
  Grow();
  ASSERT_TRUE(PublishedSoon(2));
  RestoreCopy();
  for (const auto& witness : near_) witness->away = true;
  near_[0]->away = false;
  near_[0]->lies = true;
  Start();
  ASSERT_TRUE(Soon([&] { return n_faults() == 1; }));
  near_[0]->lies = false;
  EXPECT_TRUE(Soon([&] {
    const absl::MutexLock lock(&mutex_);
    return !contradiction_.empty();
  }));
}

TEST_F(WitnessesTest, LinesThatGrewStaleAreAskedForAgain) {
  near_[3]->away = near_[4]->away = true;
  Start();
  Grow();
  ASSERT_TRUE(Soon([&] {
    const auto views = witnesses_->View();
    return views[0].size == 1 && views[1].size == 1 && views[2].size == 1;
  }));
  EXPECT_FALSE(witnesses_->IsFresh());
  clock_.now_s += 50'000;
  near_[3]->away = false;
  EXPECT_TRUE(PublishedSoon(2));
  EXPECT_TRUE(witnesses_->IsFresh());
  for (const auto& witness : near_) witness->away = true;
  clock_.now_s += 2'700;
  EXPECT_FALSE(witnesses_->IsFresh());
}

TEST_F(WitnessesTest, AppendingAndPublishingDoNotMeetInAFile) {
  Start();
  for (int i = 0; i < 150; ++i) Grow();
  ASSERT_TRUE(PublishedSoon(151));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto place,
                             ledger_anchor::LocateLedger((folder_.path() / "ledger/log").string()));
  HILUM_EXPECT_OK(ledger_anchor::VerifyLog(place.fetch, {}));
}

TEST_F(WitnessesTest, AStrangerIsNotAttached) {
  Start();
  EXPECT_THAT(witnesses_->Attach("w9.example", near_[0]),
              StatusIs(absl::StatusCode::kNotFound, "names no witness w9.example"));
}

TEST_F(WitnessesTest, ADetachedWitnessIsNotAsked) {
  Start();
  ASSERT_TRUE(PublishedSoon(1));
  witnesses_->Detach(near_[0]);
  witnesses_->Detach(near_[1]);
  EXPECT_FALSE(witnesses_->View()[0].connected);
  Grow();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(log_->Published().size, 1u);
  HILUM_ASSERT_OK(witnesses_->Attach("w0.example", near_[0]));
  ASSERT_TRUE(PublishedSoon(2));
}

}  // namespace
}  // namespace hilum::aggregator
