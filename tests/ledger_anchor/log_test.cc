#include "ledger_anchor/log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "ledger_anchor/proof.h"
#include "ledger_anchor/reader.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class Logs : public ::testing::Test {
 protected:
  Log::Options Options() const { return {folder_.path() / "ledger", Federation::kOrigin}; }
  void Create() {
    federation_.Start();
    HILUM_ASSERT_OK_AND_ASSIGN(log_,
                               Log::Create(Options(), federation_.LogKey(), federation_.texts[0]));
    const std::vector<std::string> joins(federation_.texts.begin() + 1, federation_.texts.end());
    HILUM_ASSERT_OK(log_->Append(joins));
  }
  void Reopen() {
    log_.reset();
    HILUM_ASSERT_OK_AND_ASSIGN(log_, Log::Open(Options(), federation_.LogKey()));
  }
  absl::StatusOr<LogReceipt> AppendNext(const Entry& entry) {
    return log_->Append(federation_.Add(entry));
  }
  Entry IncidentDraft(int i) const {
    return federation_.Draft(Incident{"stale", 0, "thing-" + std::to_string(i), H("e")});
  }
  Federation federation_;
  TemporaryFolder folder_;
  std::unique_ptr<Log> log_;
};

TEST_F(Logs, AppendAndProve) {
  Create();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt open, AppendNext(federation_.OpenDraft()));
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt close, AppendNext(federation_.CloseDraft()));
  EXPECT_EQ(open.index, 3u);
  EXPECT_EQ(close.index, 4u);
  EXPECT_EQ(close.leaf_hash, crypto::LeafHash(AsBytes(federation_.texts[4])));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenedCheckpoint opened,
                             OpenCheckpoint(log_->CheckpointNote(), federation_.LogVkey()));
  EXPECT_EQ(opened.checkpoint.size, 5u);
  EXPECT_EQ(log_->LastCheckpoint().root, opened.checkpoint.root);
  for (uint64_t i = 0; i < 5; ++i) {
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, log_->Prove(i));
    HILUM_ASSERT_OK_AND_ASSIGN(const TlogProof proof, ParseTlogProof(text));
    EXPECT_EQ(proof.extra, federation_.texts[i]);
    EXPECT_EQ(proof.checkpoint, log_->CheckpointNote());
    HILUM_EXPECT_OK(VerifyInclusion(
        {i, 5, crypto::LeafHash(AsBytes(proof.extra)), opened.checkpoint.root}, proof.hashes));
    EXPECT_EQ(log_->ReadEntry(i).value(), federation_.texts[i]);
  }
  EXPECT_THAT(log_->Prove(5), StatusIs(StatusCode::kOutOfRange, "index 5"));
  EXPECT_THAT(log_->ReadEntry(5), StatusIs(StatusCode::kOutOfRange, "index 5"));
  EXPECT_EQ(log_->Find(open.leaf_hash).value(), 3u);
  EXPECT_THAT(log_->Find(H("x")), StatusIs(StatusCode::kNotFound, "leaf hash"));
  EXPECT_EQ(log_->State().chain().Study(Federation::kStudy).round, 1u);
}

TEST_F(Logs, GrowConsistently) {
  Create();
  std::vector<Checkpoint> checkpoints = {log_->LastCheckpoint()};
  while (federation_.texts.size() < 20) {
    HILUM_ASSERT_OK(AppendNext(IncidentDraft(static_cast<int>(federation_.texts.size()))));
    checkpoints.push_back(log_->LastCheckpoint());
    for (const Checkpoint& old : checkpoints) {
      HILUM_ASSERT_OK_AND_ASSIGN(const HashList proof, log_->ProveConsistency(old.size));
      HILUM_EXPECT_OK(VerifyConsistency(
          {old.size, old.root, checkpoints.back().size, checkpoints.back().root}, proof));
    }
  }
  EXPECT_THAT(log_->ProveConsistency(0), StatusIs(StatusCode::kInvalidArgument, "0"));
}

TEST_F(Logs, GiveAnEntryOneIndex) {
  Create();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt first, AppendNext(federation_.OpenDraft()));
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt again, log_->Append(federation_.texts[3]));
  EXPECT_EQ(again.index, first.index);
  EXPECT_EQ(log_->LastCheckpoint().size, 4u);
  // Also twice in one batch, beside an old one.
  const std::string incident = federation_.Add(IncidentDraft(1));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::vector<LogReceipt> receipts,
      log_->Append(std::vector<std::string>{federation_.texts[1], incident, incident}));
  EXPECT_EQ(receipts[0].index, 1u);
  EXPECT_EQ(receipts[1].index, 4u);
  EXPECT_EQ(receipts[2].index, 4u);
  Reopen();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt later, log_->Append(federation_.texts[3]));
  EXPECT_EQ(later.index, first.index);
  EXPECT_EQ(log_->LastCheckpoint().size, 5u);
}

TEST_F(Logs, TakeABatchWholeOrNot) {
  Create();
  const std::string good = federation_.Sign(IncidentDraft(1));
  const std::string bad = federation_.Sign(federation_.ReleaseDraft(H("x"), 1));
  EXPECT_THAT(log_->Append(std::vector<std::string>{good, bad}),
              StatusIs(StatusCode::kDataLoss, "round-close"));
  EXPECT_EQ(log_->LastCheckpoint().size, 3u);
  EXPECT_EQ(log_->State().size(), 3u);
  HILUM_ASSERT_OK_AND_ASSIGN(const LogReceipt receipt, log_->Append(good));
  EXPECT_EQ(receipt.index, 3u);
  EXPECT_THAT(log_->Append(std::vector<std::string>{}),
              StatusIs(StatusCode::kInvalidArgument, "0 entries"));
  EXPECT_THAT(log_->Append(std::vector<std::string>(1025, good)),
              StatusIs(StatusCode::kInvalidArgument, "1025"));
  EXPECT_THAT(log_->Append(std::string(65536, 'x')), StatusIs(StatusCode::kDataLoss, "65535"));
  EXPECT_THAT(log_->Append("{}"), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(Logs, GoOnAfterAReopen) {
  Create();
  for (int i = 0; i < 3; ++i) {
    HILUM_ASSERT_OK(AppendNext(federation_.OpenDraft()));
    const std::string before = log_->CheckpointNote();
    Reopen();
    EXPECT_EQ(log_->CheckpointNote(), before);
    HILUM_ASSERT_OK(AppendNext(federation_.CloseDraft()));
  }
  EXPECT_EQ(log_->State().chain().Study(Federation::kStudy).round, 3u);
  HILUM_ASSERT_OK(VerifyLog(FolderFetch(log_->served_folder()), federation_.Pins()));
}

TEST_F(Logs, HaveOneWriter) {
  Create();
  EXPECT_THAT(Log::Open(Options(), federation_.LogKey()),
              StatusIs(StatusCode::kFailedPrecondition, "locked"));
  EXPECT_THAT(Log::Create(Options(), federation_.LogKey(), federation_.texts[0]),
              StatusIs(StatusCode::kFailedPrecondition, "locked"));
  log_.reset();
  EXPECT_THAT(Log::Create(Options(), federation_.LogKey(), federation_.texts[0]),
              StatusIs(StatusCode::kAlreadyExists, "3 entries"));
}

TEST_F(Logs, StartWithTheirGenesis) {
  Federation other;
  Entry entry = other.GenesisDraft();
  auto& genesis = std::get<Genesis>(entry.body);
  genesis.origin = "other.example/ledger";
  genesis.log_vkey = FormatVerifierKey(
      MakeVerifierKey(genesis.origin, KeyType::kEd25519, other.LogKey().public_key()));
  const std::string text = SignEntry(entry, genesis.origin, other.ServerKey()).value();
  EXPECT_THAT(Log::Create(Options(), other.LogKey(), text),
              StatusIs(StatusCode::kDataLoss, "origin"));
  EXPECT_THAT(
      Log::Create(Options(), crypto::SigningKey::FromSeed({9}), other.Sign(other.GenesisDraft())),
      StatusIs(StatusCode::kDataLoss, "log key"));
  EXPECT_THAT(Log::Open(Options(), other.LogKey()), StatusIs(StatusCode::kNotFound, "no log"));
}

TEST_F(Logs, OpenUnderTheirOwnKeyOnly) {
  Create();
  log_.reset();
  EXPECT_THAT(Log::Open(Options(), crypto::SigningKey::FromSeed({9})),
              StatusIs(StatusCode::kDataLoss, "known key"));
  Log::Options options = Options();
  options.origin = "other.example/ledger";
  EXPECT_THAT(Log::Open(options, federation_.LogKey()), StatusIs(StatusCode::kDataLoss, "not of"));
}

// Every entry that a thread was answered for is there, once, under one consistent tree.
TEST_F(Logs, TakeEntriesOfManyThreads) {
  Create();
  constexpr int kThreads = 6;
  constexpr int kEach = 60;
  std::vector<std::string> texts;
  for (int i = 0; i < kThreads * kEach; ++i) texts.push_back(federation_.Sign(IncidentDraft(i)));
  std::vector<std::vector<uint64_t>> indices(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const auto receipt = log_->Append(texts[static_cast<size_t>(t * kEach + i)]);
        indices[static_cast<size_t>(t)].push_back(receipt.value().index);
        EXPECT_GT(log_->LastCheckpoint().size, receipt->index);
        EXPECT_TRUE(log_->Prove(receipt->index).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> seen;
  for (const auto& list : indices) seen.insert(list.begin(), list.end());
  EXPECT_EQ(seen.size(), texts.size());
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view,
                             VerifyLog(FolderFetch(log_->served_folder()), federation_.Pins()));
  EXPECT_EQ(view.entries.size(), 3 + texts.size());
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kEach; ++i) {
      const uint64_t index = indices[static_cast<size_t>(t)][static_cast<size_t>(i)];
      EXPECT_EQ(view.entries[index].text, texts[static_cast<size_t>(t * kEach + i)]);
    }
  }
}

// A full disk in a child process, whose files may not grow past a limit.
class FullDisk : public Logs {
 protected:
  // Runs `body` in a child with the limit, gives its exit status.
  int InChild(uint64_t limit_bytes, const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{limit_bytes, limit_bytes};
      setrlimit(RLIMIT_FSIZE, &limit);
      _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(FullDisk, StopsTheLogAndLosesNothing) {
  Create();
  log_.reset();
  const uint64_t journal_bytes = fs::file_size(Options().folder / "journal");
  const std::vector<std::string> known = federation_.texts;
  const std::string large = federation_.Sign(federation_.OpenDraft());
  for (const uint64_t more : {uint64_t{0}, uint64_t{1}, uint64_t{100}, large.size() + 20}) {
    const int status = InChild(journal_bytes + more, [&] {
      auto log = Log::Open(Options(), federation_.LogKey());
      if (!log.ok()) return 10;
      const absl::Status first = (*log)->Append(large).status();
      if (first.code() != StatusCode::kResourceExhausted) return 11;
      if ((*log)->LastCheckpoint().size != known.size()) return 12;
      const absl::Status second = (*log)->Append(federation_.Sign(IncidentDraft(1))).status();
      return second.code() == StatusCode::kFailedPrecondition ? 0 : 13;
    });
    EXPECT_EQ(status, 0) << more;
    Reopen();
    EXPECT_EQ(log_->LastCheckpoint().size, known.size());
    for (size_t i = 0; i < known.size(); ++i) EXPECT_EQ(log_->ReadEntry(i).value(), known[i]);
    log_.reset();
  }
  Reopen();
  HILUM_ASSERT_OK(log_->Append(large));
}

}  // namespace
}  // namespace hilum::ledger_anchor
