// Crashes of the sequencer (ledger.md 4.2 and 4.3): each byte at which a write can stop, each byte
// that can rot, and real kills under load.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "ledger_anchor/log.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/reader.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

// What stood on the disk, and what had left the process, after one commit.
struct Moment {
  uint64_t journal_bytes = 0;
  uint64_t heads_bytes = 0;
  Checkpoint checkpoint;
};

class Recovery : public ::testing::Test {
 protected:
  // Four commits: genesis; two joins; round-open; round-close.
  void SetUp() override {
    federation_.Start();
    federation_.AddRound();
    HILUM_ASSERT_OK_AND_ASSIGN(
        auto log, Log::Create(OptionsFor("good"), federation_.LogKey(), federation_.texts[0]));
    Remember(*log);
    HILUM_ASSERT_OK(
        log->Append(std::vector<std::string>{federation_.texts[1], federation_.texts[2]}));
    Remember(*log);
    for (size_t i = 3; i < 5; ++i) {
      HILUM_ASSERT_OK(log->Append(federation_.texts[i]));
      Remember(*log);
    }
    log.reset();
    journal_ = ReadFile(OptionsFor("good").folder / "journal", 1 << 20).value();
    heads_ = ReadFile(OptionsFor("good").folder / "heads", 1 << 20).value();
  }
  Log::Options OptionsFor(const std::string& name) const {
    return {folder_.path() / name, Federation::kOrigin};
  }
  void Remember(const Log& log) {
    const fs::path folder = OptionsFor("good").folder;
    moments_.push_back(
        {fs::file_size(folder / "journal"), fs::file_size(folder / "heads"), log.LastCheckpoint()});
  }
  // A folder with these two files and the served folder of the good log, or none.
  Log::Options FolderWith(ByteView journal, ByteView heads, bool with_served) {
    const Log::Options options = OptionsFor("crashed");
    fs::remove_all(options.folder);
    fs::create_directories(options.folder);
    if (with_served) {
      fs::copy(OptionsFor("good").folder / "log", options.folder / "log",
               fs::copy_options::recursive);
    }
    Write(options.folder / "journal", journal);
    Write(options.folder / "heads", heads);
    return options;
  }
  static void Write(const fs::path& path, ByteView bytes) {
    auto file = AppendFile::Open(path, 0);
    ASSERT_TRUE(file.ok() && file->Append(bytes).ok());
  }
  // The log extends everything that was signed up to `moment`, and holds its entries.
  void ExpectExtends(const Log& log, const Moment& moment) {
    const Checkpoint now = log.LastCheckpoint();
    ASSERT_GE(now.size, moment.checkpoint.size);
    HILUM_ASSERT_OK_AND_ASSIGN(const HashList proof, log.ProveConsistency(moment.checkpoint.size));
    HILUM_ASSERT_OK(VerifyConsistency(
        {moment.checkpoint.size, moment.checkpoint.root, now.size, now.root}, proof));
    for (uint64_t i = 0; i < now.size; ++i) {
      ASSERT_EQ(log.ReadEntry(i).value(), federation_.texts[i]);
    }
    HILUM_ASSERT_OK(VerifyLog(FolderFetch(log.served_folder()), federation_.Pins()));
  }
  absl::Status Refusal(const Log::Options& options) {
    const Bytes before = ReadFile(options.folder / "heads", 1 << 20).value();
    const absl::Status status = Log::Open(options, federation_.LogKey()).status();
    // Whatever was refused, nothing new was signed.
    EXPECT_EQ(ReadFile(options.folder / "heads", 1 << 20).value(), before);
    return status;
  }

  Federation federation_;
  TemporaryFolder folder_;
  std::vector<Moment> moments_;
  Bytes journal_;
  Bytes heads_;
};

// A crash during the write of the journal: some bytes of the new record are there. The checkpoint
// before it is the last that left.
TEST_F(Recovery, AfterEachByteOfAJournalWrite) {
  for (size_t k = 0; k + 1 < moments_.size(); ++k) {
    const ByteView heads = ByteView(heads_).first(moments_[k].heads_bytes);
    for (uint64_t n = moments_[k].journal_bytes; n <= moments_[k + 1].journal_bytes; ++n) {
      const Log::Options options = FolderWith(ByteView(journal_).first(n), heads, false);
      HILUM_ASSERT_OK_AND_ASSIGN(const auto log, Log::Open(options, federation_.LogKey()));
      ExpectExtends(*log, moments_[k]);
      // A record is kept exactly when it is whole.
      if (n == moments_[k + 1].journal_bytes) {
        EXPECT_EQ(log->LastCheckpoint().size, moments_[k + 1].checkpoint.size);
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// The tail may also hold bytes that never were written there.
TEST_F(Recovery, AfterATailOfZerosOrNoise) {
  const size_t k = 2;
  const ByteView heads = ByteView(heads_).first(moments_[k].heads_bytes);
  const uint64_t good = moments_[k].journal_bytes;
  crypto::SeededStream stream({1});
  for (int i = 0; i < 60; ++i) {
    Bytes journal(journal_.begin(), journal_.begin() + static_cast<ptrdiff_t>(good));
    Bytes tail(static_cast<size_t>(i) * 37);
    if (i % 2 == 1) stream.Fill(tail);
    AppendBytes(journal, tail);
    const Log::Options options = FolderWith(journal, heads, false);
    HILUM_ASSERT_OK_AND_ASSIGN(auto log, Log::Open(options, federation_.LogKey()));
    EXPECT_EQ(log->LastCheckpoint().size, moments_[k].checkpoint.size);
    ExpectExtends(*log, moments_[k]);
    HILUM_ASSERT_OK(log->Append(federation_.texts[4]));
    // What came after the tail must not stand behind it.
    log.reset();
    HILUM_ASSERT_OK_AND_ASSIGN(log, Log::Open(options, federation_.LogKey()));
    ExpectExtends(*log, moments_.back());
  }
}

// A crash during the write of a head: the entries are durable, the signature had not left.
TEST_F(Recovery, AfterEachByteOfAHeadWrite) {
  for (size_t k = 0; k + 1 < moments_.size(); ++k) {
    const ByteView journal = ByteView(journal_).first(moments_[k + 1].journal_bytes);
    for (uint64_t n = moments_[k].heads_bytes; n <= moments_[k + 1].heads_bytes; ++n) {
      const Log::Options options = FolderWith(journal, ByteView(heads_).first(n), false);
      HILUM_ASSERT_OK_AND_ASSIGN(const auto log, Log::Open(options, federation_.LogKey()));
      EXPECT_EQ(log->LastCheckpoint().size, moments_[k + 1].checkpoint.size);
      ExpectExtends(*log, moments_[k]);
      ExpectExtends(*log, moments_[k + 1]);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// An older copy of the journal beside newer heads: an acknowledged entry is gone.
TEST_F(Recovery, RefusesAJournalShorterThanAHeadAtEachLength) {
  for (uint64_t n = 0; n < moments_.back().journal_bytes; ++n) {
    EXPECT_THAT(Refusal(FolderWith(ByteView(journal_).first(n), heads_, false)),
                StatusIs(StatusCode::kDataLoss, "fork"))
        << n;
  }
}

// Journal and heads restored from an older copy, but the served folder knows better.
TEST_F(Recovery, RefusesAnOlderCopyThatTheServedCheckpointContradicts) {
  for (size_t k = 0; k + 1 < moments_.size(); ++k) {
    EXPECT_THAT(Refusal(FolderWith(ByteView(journal_).first(moments_[k].journal_bytes),
                                   ByteView(heads_).first(moments_[k].heads_bytes), true)),
                StatusIs(StatusCode::kDataLoss, "fork"));
  }
}

TEST_F(Recovery, RefusesEachFlippedByteOfTheJournal) {
  for (size_t i = 0; i < journal_.size(); ++i) {
    Bytes journal = journal_;
    journal[i] ^= 0x10;
    EXPECT_THAT(Refusal(FolderWith(journal, heads_, false)), StatusIs(StatusCode::kDataLoss, ""))
        << i;
  }
}

// A damaged head that is not the last is refused; the last one is cut like a torn tail, and the
// same root is signed again.
TEST_F(Recovery, NeverContradictsAHeadWhenAByteOfHeadsFlips) {
  for (size_t i = 0; i < heads_.size(); ++i) {
    Bytes heads = heads_;
    heads[i] ^= 0x10;
    const Log::Options options = FolderWith(journal_, heads, false);
    const auto log = Log::Open(options, federation_.LogKey());
    if (!log.ok()) {
      EXPECT_THAT(log, StatusIs(StatusCode::kDataLoss, "")) << i;
      // The last record may be torn, so a fault behind its length is no reason to stop.
      EXPECT_LT(i, moments_[moments_.size() - 2].heads_bytes + 4);
      continue;
    }
    for (const Moment& moment : moments_) ExpectExtends(**log, moment);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// Another history under the same key: the fork that a log must never sign.
TEST_F(Recovery, RefusesAJournalOfAnotherHistory) {
  Federation other;
  other.Start();
  Entry open = other.OpenDraft();
  std::get<RoundOpen>(open.body).deadline += 1;
  other.Add(open);
  other.Add(other.CloseDraft());
  TemporaryFolder elsewhere;
  const Log::Options options{elsewhere.path(), Federation::kOrigin};
  HILUM_ASSERT_OK_AND_ASSIGN(auto log, Log::Create(options, other.LogKey(), other.texts[0]));
  HILUM_ASSERT_OK(log->Append(std::span<const std::string>(other.texts).subspan(1)));
  log.reset();
  const Bytes journal = ReadFile(options.folder / "journal", 1 << 20).value();
  EXPECT_THAT(Refusal(FolderWith(journal, heads_, false)),
              StatusIs(StatusCode::kDataLoss, "signed was"));
}

// Entries in the unsigned tail of the journal are admitted again, signatures included.
TEST_F(Recovery, ChecksWhatNoHeadCovers) {
  Bytes journal = journal_;
  Entry forged = federation_.OpenDraft();
  forged = ParseEntry(federation_.Sign(forged)).value();
  forged.sig.bytes[0] ^= 1;
  const std::string text = EncodeEntry(forged).value();
  AppendU64(journal, 5);
  AppendU32(journal, static_cast<uint32_t>(text.size()));
  AppendText(journal, text);
  AppendBytes(journal, crypto::LeafHash(AsBytes(text)));
  EXPECT_THAT(Refusal(FolderWith(journal, heads_, false)),
              StatusIs(StatusCode::kDataLoss, "entry 5"));
}

TEST_F(Recovery, RebuildsTheServedFolder) {
  // 600 entries: two full tiles, a partial one and a second level.
  const Log::Options options = OptionsFor("long");
  Federation federation;
  federation.FillTo(600);
  HILUM_ASSERT_OK_AND_ASSIGN(auto log,
                             Log::Create(options, federation.LogKey(), federation.texts[0]));
  HILUM_ASSERT_OK(log->Append(std::span<const std::string>(federation.texts).subspan(1)));
  std::map<std::string, Bytes> good;
  const fs::path served = log->served_folder();
  for (const auto& entry : fs::recursive_directory_iterator(served)) {
    if (entry.is_regular_file()) {
      good[fs::relative(entry.path(), served).string()] = ReadFile(entry.path(), 1 << 20).value();
    }
  }
  log.reset();
  // Each file lost, cut to nothing, or with its last byte changed.
  for (const auto& [path, bytes] : good) {
    for (int damage = 0; damage < 3; ++damage) {
      if (damage == 0) {
        fs::remove(served / path);
      } else if (damage == 1) {
        Write(served / path, {});
      } else {
        Bytes changed = bytes;
        changed.back() ^= 1;
        Write(served / path, changed);
      }
      HILUM_ASSERT_OK_AND_ASSIGN(log, Log::Open(options, federation.LogKey()));
      EXPECT_EQ(ReadFile(served / path, 1 << 20).value(), bytes) << path << " " << damage;
      log.reset();
    }
  }
  fs::remove_all(served);
  HILUM_ASSERT_OK_AND_ASSIGN(log, Log::Open(options, federation.LogKey()));
  for (const auto& [path, bytes] : good) {
    EXPECT_EQ(ReadFile(served / path, 1 << 20).value(), bytes) << path;
  }
  HILUM_ASSERT_OK(VerifyLog(FolderFetch(served), federation.Pins()));
}

TEST_F(Recovery, StartsAgainAfterABrokenCreate) {
  const Log::Options options = OptionsFor("fresh");
  fs::create_directories(options.folder);
  Write(options.folder / "journal", ByteView(journal_).first(100));
  Write(options.folder / "heads", {});
  EXPECT_THAT(Log::Open(options, federation_.LogKey()), StatusIs(StatusCode::kNotFound, "no log"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto log,
                             Log::Create(options, federation_.LogKey(), federation_.texts[0]));
  EXPECT_EQ(log->LastCheckpoint().size, 1u);
}

// Heads without their journal are a log that lost everything, not a place for a new one.
TEST_F(Recovery, RefusesANewLogBesideOldHeads) {
  const Log::Options options = FolderWith({}, heads_, false);
  EXPECT_THAT(Log::Create(options, federation_.LogKey(), federation_.texts[0]),
              StatusIs(StatusCode::kAlreadyExists, "4 signed checkpoints"));
  EXPECT_THAT(Refusal(options), StatusIs(StatusCode::kDataLoss, "fork"));
}

// ---- real kills

// Appends incidents for ever and reports each receipt and checkpoint on the pipe.
[[noreturn]] void AppendForEver(const Log::Options& options, const Federation& federation,
                                int first, int pipe_end) {
  auto log = Log::Open(options, federation.LogKey());
  if (!log.ok()) _exit(1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = first + t;; i += 2) {
        const std::string text = federation.Sign(
            federation.Draft(Incident{"stale", 0, "thing-" + std::to_string(i), H("e")}));
        const auto receipt = (*log)->Append(text);
        if (!receipt.ok()) _exit(1);
        const Checkpoint checkpoint = (*log)->LastCheckpoint();
        const std::string line = std::to_string(receipt->index) + " " + ToHex(receipt->leaf_hash) +
                                 " " + std::to_string(checkpoint.size) + " " +
                                 ToHex(checkpoint.root) + "\n";
        if (write(pipe_end, line.data(), line.size()) < 0) _exit(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(0);
}

std::string ReadAll(int pipe_end) {
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t n = 0;
  while ((n = read(pipe_end, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  return text.substr(0, text.rfind('\n') + 1);
}

// HILUM_KILLS sets the number: 1,000 in the long checks.
TEST_F(Recovery, LosesNothingThatWasAnsweredWhenKilled) {
  const char* wanted = std::getenv("HILUM_KILLS");
  const int n_kills = wanted == nullptr ? 25 : std::atoi(wanted);
  const Log::Options options = OptionsFor("good");
  crypto::SeededStream stream({99});
  std::vector<std::pair<uint64_t, Digest>> heads;  // sizes and roots that left the process
  for (const Moment& moment : moments_)
    heads.emplace_back(moment.checkpoint.size, moment.checkpoint.root);
  for (int kill_number = 0; kill_number < n_kills; ++kill_number) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      AppendForEver(options, federation_, kill_number * 100000, ends[1]);
    }
    close(ends[1]);
    usleep(static_cast<useconds_t>(10000 + stream.Below(60000)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    const std::string reports = ReadAll(ends[0]);
    close(ends[0]);

    HILUM_ASSERT_OK_AND_ASSIGN(const auto log, Log::Open(options, federation_.LogKey()));
    std::istringstream lines(reports);
    uint64_t index = 0;
    uint64_t size = 0;
    std::string leaf;
    std::string root;
    while (lines >> index >> leaf >> size >> root) {
      HILUM_ASSERT_OK_AND_ASSIGN(const std::string entry, log->ReadEntry(index));
      ASSERT_EQ(ToHex(crypto::LeafHash(AsBytes(entry))), leaf);
      heads.emplace_back(size, DigestFromHex(root).value());
    }
    const Checkpoint now = log->LastCheckpoint();
    for (const auto& [old_size, old_root] : heads) {
      HILUM_ASSERT_OK_AND_ASSIGN(const HashList proof, log->ProveConsistency(old_size));
      HILUM_ASSERT_OK(VerifyConsistency({old_size, old_root, now.size, now.root}, proof));
    }
    heads.emplace_back(now.size, now.root);
  }
  HILUM_ASSERT_OK(VerifyLog(FolderFetch(options.folder / "log"), federation_.Pins()));
}

}  // namespace
}  // namespace hilum::ledger_anchor
