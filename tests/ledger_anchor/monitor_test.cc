// A monitor in one process: what it read once it goes on from, and nothing it reads is believed.
#include "ledger_anchor/monitor.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/tiles.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

constexpr uint64_t kNow = 1'767'000'000;

class Monitors : public testing::Test {
 protected:
  // Two logs of one key, of the same first `n` entries.
  void Make(size_t n) {
    federation_.FillTo(n);
    log_ = MakeLog("log");
    other_ = federation_;
    other_log_ = MakeLog("other");
    served_ = log_.get();
  }
  std::unique_ptr<Log> MakeLog(const std::string& name) {
    auto log = Log::Create({folder_.path() / name, Federation::kOrigin}, federation_.LogKey(),
                           federation_.texts[0]);
    EXPECT_TRUE(log.ok()) << log.status();
    for (size_t i = 1; i < federation_.texts.size(); ++i) {
      HILUM_EXPECT_OK((*log)->Append(federation_.texts[i]).status());
    }
    return *std::move(log);
  }
  void Grow(size_t n) {
    const size_t from = federation_.texts.size();
    federation_.FillTo(n);
    for (size_t i = from; i < n; ++i) {
      HILUM_ASSERT_OK(log_->Append(federation_.texts[i]).status());
    }
  }
  void GrowOther(int n) {
    for (int i = 0; i < n; ++i) {
      const auto entry = other_.Draft(Incident{"stale", 0, absl::StrCat("thing-", i), H("e")});
      HILUM_ASSERT_OK(other_log_->Append(other_.Add(entry)).status());
    }
  }
  absl::Status Open(const MonitorOptions& options = {}) {
    const Fetch fetch = [this](absl::string_view path, uint64_t limit) -> absl::StatusOr<Bytes> {
      ++n_fetched_;
      if (away_ && absl::StrContains(path, "entries")) return absl::UnavailableError("away");
      absl::StatusOr<Bytes> bytes = ReadFile(served_->served_folder() / std::string(path), limit);
      if (bytes.ok() && change_) change_(std::string(path), *bytes);
      return bytes;
    };
    absl::StatusOr<Monitor> monitor = Monitor::Open(fetch, options);
    if (monitor.ok()) monitor_.emplace(*std::move(monitor));
    return monitor.status();
  }
  absl::StatusOr<std::optional<MonitorNews>> Look() { return monitor_->Look(kNow); }

  TemporaryFolder folder_;
  Federation federation_;
  Federation other_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Log> other_log_;
  const Log* served_ = nullptr;
  bool away_ = false;
  int n_fetched_ = 0;
  std::function<void(const std::string&, Bytes&)> change_;
  std::optional<Monitor> monitor_;
};

TEST_F(Monitors, GoOnFromWhatTheyHaveRead) {
  Make(7);
  HILUM_ASSERT_OK(Open());
  HILUM_ASSERT_OK_AND_ASSIGN(auto news, Look());
  EXPECT_EQ(news.value().old_size, 0u);
  EXPECT_TRUE(news.value().first_use);
  uint64_t old_size = 7;
  for (const size_t size : {8, 255, 256, 257, 600}) {
    Grow(size);
    HILUM_ASSERT_OK_AND_ASSIGN(news, Look());
    ASSERT_TRUE(news.has_value());
    EXPECT_EQ(news.value().old_size, old_size);
    EXPECT_FALSE(news.value().first_use);
    EXPECT_EQ(monitor_->view().entries.size(), size);
    EXPECT_EQ(monitor_->view().entries.back().text, federation_.texts.back());
    old_size = size;
  }
  n_fetched_ = 0;
  HILUM_ASSERT_OK_AND_ASSIGN(news, Look());
  EXPECT_FALSE(news.has_value());
  EXPECT_EQ(n_fetched_, 1);
  Grow(602);
  HILUM_ASSERT_OK(Look());
  EXPECT_LT(n_fetched_, 8) << "old tiles are not read again";
}

TEST_F(Monitors, RefuseALogThatGoesAnotherWay) {
  Make(7);
  HILUM_ASSERT_OK(Open());
  HILUM_ASSERT_OK(Look());
  Grow(9);
  HILUM_ASSERT_OK(Look());
  served_ = other_log_.get();
  for (const char* words : {"a rollback", "a rollback", "a fork", "does not continue"}) {
    const absl::Status status = Look().status();
    EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss, words));
    const auto notes = status.GetPayload(std::string(kForkPayload));
    ASSERT_TRUE(notes.has_value());
    EXPECT_EQ(std::string(*notes), log_->PublishedNote() + "\n" + other_log_->PublishedNote());
    GrowOther(1);
  }
}

TEST_F(Monitors, RefuseWhatTheCheckpointDoesNotCommitTo) {
  Make(7);
  HILUM_ASSERT_OK(Open());
  HILUM_ASSERT_OK(Look());
  Grow(9);
  change_ = [&](const std::string& path, Bytes& bytes) {
    // Another last entry, as well signed as the one that was logged.
    if (!absl::StrContains(path, "entries")) return;
    std::vector<std::string> entries = federation_.texts;
    entries.back() = federation_.Sign(federation_.Draft(Incident{"stale", 0, "x", H("e")}));
    bytes = EncodeBundle(entries);
  };
  EXPECT_THAT(Look(), StatusIs(StatusCode::kDataLoss, "entry 8"));
  change_ = [](const std::string& path, Bytes& bytes) {
    if (absl::StartsWith(path, "tile/0")) bytes.back() ^= 1;
  };
  EXPECT_THAT(Look(), StatusIs(StatusCode::kDataLoss, "tile/0/000.p/9"));
  change_ = [](const std::string& path, Bytes& bytes) {
    if (path == "checkpoint") bytes[bytes.size() - 5] ^= 1;
  };
  EXPECT_THAT(Look(), StatusIs(StatusCode::kDataLoss, ""));
  change_ = {};
  HILUM_EXPECT_OK(Look());
}

TEST_F(Monitors, TryAgainWhenTheServerWasAwayHalfWay) {
  Make(7);
  HILUM_ASSERT_OK(Open());
  HILUM_ASSERT_OK(Look());
  Grow(300);
  away_ = true;
  EXPECT_THAT(Look(), StatusIs(StatusCode::kUnavailable, "away"));
  away_ = false;
  HILUM_ASSERT_OK_AND_ASSIGN(const auto news, Look());
  EXPECT_EQ(news.value().old_size, 7u);
  EXPECT_EQ(monitor_->view().entries.size(), 300u);
}

TEST_F(Monitors, RememberAcrossRestarts) {
  Make(7);
  const MonitorOptions options{.folder = folder_.path() / "state"};
  HILUM_ASSERT_OK(Open(options));
  HILUM_ASSERT_OK(Look());
  Grow(9);
  HILUM_ASSERT_OK(Open(options));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto news, Look());
  EXPECT_EQ(news.value().old_size, 7u);
  EXPECT_FALSE(news.value().first_use);
  served_ = other_log_.get();
  GrowOther(4);
  HILUM_ASSERT_OK(Open(options));
  EXPECT_THAT(Look(), StatusIs(StatusCode::kDataLoss, "both signed notes are kept in"));
}

TEST_F(Monitors, RefuseADamagedMemory) {
  Make(7);
  const MonitorOptions options{.folder = folder_.path() / "state"};
  HILUM_ASSERT_OK(Open(options));
  HILUM_ASSERT_OK(Look());
  const auto write = [&](const char* name, const std::string& text) {
    HILUM_ASSERT_OK(WriteFileDurably(options.folder / name, AsBytes(text)));
  };
  const std::string note = ReadTextFile(options.folder / "checkpoint", 4096).value();
  write("checkpoint", note.substr(1));
  EXPECT_THAT(Open(options), StatusIs(StatusCode::kDataLoss, "checkpoint is damaged"));
  write("checkpoint", note);
  write("log.vkey", "nonsense");
  EXPECT_THAT(Open(options), StatusIs(StatusCode::kDataLoss, "log.vkey is damaged"));
  fs::remove(options.folder / "log.vkey");
  EXPECT_THAT(Open(options), StatusIs(StatusCode::kDataLoss, "log.vkey is missing"));
}

TEST_F(Monitors, HoldThePinsTogether) {
  Make(7);
  const VerifierKey other =
      MakeVerifierKey(Federation::kOrigin, KeyType::kEd25519, federation_.ServerKey().public_key());
  HILUM_EXPECT_OK(Open({.vkey = FormatVerifierKey(federation_.LogVkey())}));
  HILUM_EXPECT_OK(Look().status());
  HILUM_EXPECT_OK(Open({.vkey = FormatVerifierKey(other)}));
  EXPECT_THAT(Look(), StatusIs(StatusCode::kDataLoss, ""));
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy, ParsePolicy(MakePolicyWithoutWitnesses(other)));
  EXPECT_THAT(Open({.vkey = FormatVerifierKey(federation_.LogVkey()), .policy = policy}),
              StatusIs(StatusCode::kInvalidArgument, "two keys are pinned"));
}

}  // namespace
}  // namespace hilum::ledger_anchor
