#include "ledger_anchor/witness.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/cosign.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

constexpr char kOrigin[] = "fl.example/ledger";
constexpr char kName[] = "hospital-a/witness";
constexpr uint64_t kNow = 1'767'000'000;

// A log in memory and a witness of it.
class WitnessTest : public testing::Test {
 protected:
  WitnessTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                absl::StrCat("hilum_witness_", getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    HILUM_EXPECT_OK(WitnessStore::Create(database(), vkey()));
    Reopen();
    for (int i = 0; i < 400; ++i) Add(log_, i);
  }
  ~WitnessTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path database() const { return folder_ / "witness.sqlite"; }
  std::string vkey() const { return FormatVerifierKey(witness_key()); }
  VerifierKey witness_key() const {
    return MakeVerifierKey(kName, KeyType::kCosignature, key_.public_key());
  }
  void Reopen() {
    store_.reset();
    auto store = WitnessStore::Open(database(), vkey());
    HILUM_ASSERT_OK(store.status());
    store_ = *std::move(store);
  }

  static void Add(TreeHashes& log, int i, absl::string_view flavour = "entry") {
    log.Add(crypto::LeafHash(AsBytes(absl::StrCat(flavour, i))));
  }
  // The checkpoint of the first `size` entries of `log`.
  std::string NoteOf(const TreeHashes& log, uint64_t size) const {
    Checkpoint checkpoint{.origin = kOrigin, .size = size, .root = crypto::EmptyTreeHash()};
    if (size > 0) checkpoint.root = RangeRoot(0, size, log.reader()).value();
    return SignCheckpoint(checkpoint, log_key_);
  }
  std::string Ask(const TreeHashes& log, uint64_t old_size, uint64_t size) const {
    AddCheckpoint request{.old_size = old_size, .proof = {}, .note = NoteOf(log, size)};
    if (old_size > 0 && old_size < size) {
      request.proof = ProveConsistency(old_size, size, log.reader()).value();
    }
    return FormatAddCheckpoint(request);
  }
  WitnessReply Send(const std::string& body, uint64_t now_s = kNow) {
    return HandleAddCheckpoint({.name = kName, .key = key_, .logs = {log_vkey()}, .store = *store_},
                               body, now_s);
  }
  VerifierKey log_vkey() const {
    return MakeVerifierKey(kOrigin, KeyType::kEd25519, log_key_.public_key());
  }
  WitnessReply Monitor() {
    return HandleGetCheckpoint({.name = kName, .key = key_, .logs = {log_vkey()}, .store = *store_},
                               ToHex(crypto::Sha256(kOrigin)));
  }

  const std::filesystem::path folder_;
  const crypto::SigningKey log_key_ = crypto::SigningKey::FromSeed({1});
  const crypto::SigningKey key_ = crypto::SigningKey::FromSeed({9});
  std::unique_ptr<WitnessStore> store_;
  TreeHashes log_;
};

TEST_F(WitnessTest, CosignsWhatContinues) {
  EXPECT_EQ(Monitor().status, 404);
  uint64_t old_size = 0;
  for (const uint64_t size : {1, 2, 3, 7, 8, 255, 256, 257, 400}) {
    const WitnessReply reply = Send(Ask(log_, old_size, size), kNow + size);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const Note note = ParseNote(NoteOf(log_, size) + reply.body).value();
    ASSERT_EQ(note.lines.size(), 2u);
    HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t time_s,
                               VerifyCosignature(note.text, note.lines[1], witness_key()));
    EXPECT_EQ(time_s, kNow + size);
    EXPECT_EQ(Monitor().body, FormatNote(note));
    old_size = size;
  }
}

TEST_F(WitnessTest, TheSameCheckpointAgainIsCosignedAnew) {
  EXPECT_EQ(Send(Ask(log_, 0, 5)).status, 200);
  EXPECT_EQ(Send(Ask(log_, 5, 5), kNow + 60).status, 200);
  EXPECT_TRUE(absl::StrContains(Monitor().body, kName));
  EXPECT_EQ(store_->Last(kOrigin).value()->time_s, kNow + 60);
}

TEST_F(WitnessTest, TheEmptyLogCanBeCosigned) {
  EXPECT_EQ(Send(Ask(log_, 0, 0)).status, 200);
  EXPECT_EQ(Send(Ask(log_, 0, 3)).status, 200);
  EXPECT_EQ(Send(Ask(log_, 0, 0)).status, 409);
}

TEST_F(WitnessTest, MalformedRequestsAre400) {
  ASSERT_EQ(Send(Ask(log_, 0, 3)).status, 200);
  const std::string good = Ask(log_, 3, 7);
  const std::string note = NoteOf(log_, 7);
  const std::string hash = crypto::Base64Encode(Digest{}) + "\n";
  std::string many = "old 3\n";
  for (int i = 0; i < 64; ++i) many += hash;
  const std::string short_hash = crypto::Base64Encode(Bytes(31)) + "\n";
  const std::string long_hash = crypto::Base64Encode(Bytes(64)) + "\n";
  Checkpoint extended{.origin = kOrigin, .size = 7, .root = RangeRoot(0, 7, log_.reader()).value()};
  extended.extensions = {"more"};
  for (const std::string& bad : std::vector<std::string>{
           std::string(), std::string("\n\n"), std::string("old 3\n\n"), "old 3\n" + note,
           "old 03\n\n" + note, "old -3\n\n" + note, "old  3\n\n" + note, "new 3\n\n" + note,
           "old 3\r\n\n" + note, "old 9223372036854775808\n\n" + note, many + "\n" + note,
           "old 3\n" + short_hash + "\n" + note, "old 3\n" + long_hash + "\n" + note,
           "old 3\nAAAA\n\n" + note, "old 3\n\n" + note.substr(0, note.size() - 1),
           "old 3\n\nno note at all\n", good + "\r\n", std::string("old 8\n\n") + note,
           "old 3\n\n" + SignCheckpoint(extended, log_key_)}) {
    EXPECT_EQ(Send(bad).status, 400) << bad;
  }
  EXPECT_EQ(Send(good + std::string(kAddCheckpointLimitBytes, 'x')).status, 413);
  EXPECT_EQ(Send(good).status, 200);
}

TEST_F(WitnessTest, AnotherLogIs404) {
  Checkpoint other{.origin = "other.example/ledger", .size = 1, .root = {}};
  EXPECT_EQ(Send("old 0\n\n" + SignCheckpoint(other, log_key_)).status, 404);
}

TEST_F(WitnessTest, ASignatureThatIsNotTheLogsIs403) {
  const auto stranger = crypto::SigningKey::FromSeed({77});
  const Checkpoint checkpoint{
      .origin = kOrigin, .size = 3, .root = RangeRoot(0, 3, log_.reader()).value()};
  EXPECT_EQ(Send("old 0\n\n" + SignCheckpoint(checkpoint, stranger)).status, 403);
  Note doubled = ParseNote(NoteOf(log_, 3)).value();
  doubled.lines.push_back(doubled.lines[0]);
  EXPECT_EQ(Send("old 0\n\n" + FormatNote(doubled)).status, 403);
  Note forged = ParseNote(NoteOf(log_, 3)).value();
  forged.lines[0].signature[5] ^= 1;
  EXPECT_EQ(Send("old 0\n\n" + FormatNote(forged)).status, 403);
}

TEST_F(WitnessTest, AnotherOldSizeIs409WithTheSize) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  for (const uint64_t old_size : {0, 3, 8}) {
    const WitnessReply reply = Send(Ask(log_, old_size, 20));
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.body, "7\n");
    EXPECT_EQ(reply.content_type, "text/x.tlog.size");
  }
}

TEST_F(WitnessTest, AProofThatFailsIs422) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  AddCheckpoint request{.old_size = 7, .proof = {}, .note = NoteOf(log_, 20)};
  EXPECT_EQ(Send(FormatAddCheckpoint(request)).status, 422);  // none
  request.proof = ProveConsistency(7, 20, log_.reader()).value();
  request.proof[0][0] ^= 1;
  EXPECT_EQ(Send(FormatAddCheckpoint(request)).status, 422);
  request = {.old_size = 7, .proof = {Digest{}}, .note = NoteOf(log_, 7)};
  EXPECT_EQ(Send(FormatAddCheckpoint(request)).status, 422);  // of equal sizes
  EXPECT_EQ(Send(Ask(log_, 7, 20)).status, 200);
}

TEST_F(WitnessTest, AProofFromNothingIs422) {
  AddCheckpoint request{.old_size = 0, .proof = {Digest{}}, .note = NoteOf(log_, 7)};
  EXPECT_EQ(Send(FormatAddCheckpoint(request)).status, 422);
  const Checkpoint wrong{.origin = kOrigin, .size = 0, .root = Digest{1}};
  EXPECT_EQ(Send("old 0\n\n" + SignCheckpoint(wrong, log_key_)).status, 422);
}

TEST_F(WitnessTest, AForkIsRefusedAndKeptAsEvidence) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  TreeHashes fork;
  for (int i = 0; i < 20; ++i) Add(fork, i, i < 5 ? "entry" : "another");
  EXPECT_EQ(Send(Ask(fork, 7, 7)).status, 422);
  EXPECT_EQ(Send(Ask(fork, 5, 7)).status, 409);   // the same contradiction behind a wrong old size
  EXPECT_EQ(Send(Ask(fork, 7, 20)).status, 422);  // and behind a longer log
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<WitnessEvidence> evidence, store_->Evidence());
  ASSERT_EQ(evidence.size(), 2u);  // the same pair is kept once
  EXPECT_EQ(evidence[0].origin, kOrigin);
  EXPECT_TRUE(absl::StartsWith(evidence[0].cosigned, NoteOf(log_, 7)));
  EXPECT_EQ(evidence[0].refused, NoteOf(fork, 7));
  EXPECT_TRUE(evidence[0].is_fork);
  EXPECT_EQ(evidence[1].refused, NoteOf(fork, 20));
  EXPECT_FALSE(evidence[1].is_fork);  // a failed proof by itself shows no fork
  EXPECT_EQ(Send(Ask(log_, 7, 20)).status, 200);
}

TEST_F(WitnessTest, EvidenceDoesNotGrowWithoutEnd) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  for (uint64_t i = 0; i < WitnessStore::kEvidenceLimit + 20; ++i) {
    const Checkpoint wrong{.origin = kOrigin, .size = 7, .root = crypto::Sha256(absl::StrCat(i))};
    ASSERT_EQ(Send("old 7\n\n" + SignCheckpoint(wrong, log_key_)).status, 422);
  }
  EXPECT_EQ(store_->Evidence().value().size(), WitnessStore::kEvidenceLimit);
}

// A stranger sends true checkpoints with false proofs: no accusation, and no room taken from one.
TEST_F(WitnessTest, FalseProofsAccuseNobodyAndCrowdNothingOut) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  for (uint64_t size = 8; size < 8 + WitnessStore::kEvidenceLimit + 20; ++size) {
    ASSERT_EQ(Send("old 7\n\n" + NoteOf(log_, size)).status, 422);
  }
  const Checkpoint fork{.origin = kOrigin, .size = 7, .root = Digest{1}};
  ASSERT_EQ(Send("old 7\n\n" + SignCheckpoint(fork, log_key_)).status, 422);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<WitnessEvidence> evidence, store_->Evidence());
  ASSERT_EQ(evidence.size(), WitnessStore::kEvidenceLimit + 1);
  EXPECT_TRUE(evidence[0].is_fork);
  EXPECT_FALSE(evidence[1].is_fork);
}

TEST_F(WitnessTest, LinesOfOthersAreNotStored) {
  Note crowded = ParseNote(NoteOf(log_, 7)).value();
  for (int i = 0; i < 90; ++i) {
    crowded.lines.push_back({.name = absl::StrCat("w", i), .key_id = 5, .signature = Bytes(72)});
  }
  EXPECT_EQ(Send("old 0\n\n" + FormatNote(crowded)).status, 200);
  EXPECT_EQ(ParseNote(Monitor().body).value().lines.size(), 2u);
}

TEST_F(WitnessTest, AClockThatWentBackSignsNothing) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  EXPECT_EQ(Send(Ask(log_, 7, 8), kNow - 1).status, 503);
  EXPECT_EQ(Send(Ask(log_, 7, 8), kNow).status, 200);
}

TEST_F(WitnessTest, WhatWasCosignedIsKnownAfterARestart) {
  ASSERT_EQ(Send(Ask(log_, 0, 7)).status, 200);
  Reopen();
  EXPECT_EQ(Send(Ask(log_, 0, 9)).body, "7\n");
  EXPECT_EQ(Send(Ask(log_, 7, 9)).status, 200);
}

TEST_F(WitnessTest, AMemoryThatIsGoneOrAnothersIsRefused) {
  EXPECT_THAT(WitnessStore::Create(database(), vkey()),
              StatusIs(StatusCode::kAlreadyExists, "already"));
  EXPECT_THAT(WitnessStore::Open(database(), "other+00000000+AAAA").status(),
              StatusIs(StatusCode::kFailedPrecondition, "is of the witness"));
  store_.reset();
  std::filesystem::remove(database());
  EXPECT_THAT(WitnessStore::Open(database(), vkey()).status(),
              StatusIs(StatusCode::kNotFound, "must not sign again"));
  std::ofstream(database()) << "not a database, but longer than the header of one would be "
                            << std::string(200, 'x');
  EXPECT_THAT(WitnessStore::Open(database(), vkey()).status(), StatusIs(StatusCode::kDataLoss, ""));
}

// Requests that overlap: for each old size one is answered 200, and no smaller size after a larger.
TEST_F(WitnessTest, OverlappingRequestsNeverRollBack) {
  ASSERT_EQ(Send(Ask(log_, 0, 1)).status, 200);
  // Two processes on one file: two stores.
  HILUM_ASSERT_OK_AND_ASSIGN(const auto second, WitnessStore::Open(database(), vkey()));
  for (int round = 0; round < 20; ++round) {
    const uint64_t old_size = store_->Last(kOrigin).value()->size;
    std::atomic<int> n_ok = 0, n_conflict = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const Witness witness{.name = kName,
                              .key = key_,
                              .logs = {log_vkey()},
                              .store = i % 2 == 0 ? *store_ : *second};
        const int status =
            HandleAddCheckpoint(witness, Ask(log_, old_size, old_size + 4 - i), kNow).status;
        n_ok += status == 200;
        n_conflict += status == 409;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(n_ok, 1);
    EXPECT_EQ(n_conflict, 3);
    EXPECT_GT(store_->Last(kOrigin).value()->size, old_size);
  }
}

// Torchwood's litewitness, whose answers another witness (aics-witness) gives too.
TEST_F(WitnessTest, AnswersAsOtherWitnesses) {
  const nlohmann::json file = ReadVectors("ledger/witness_add_checkpoint.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey log,
                             ParseVerifierKey(file.at("log_vkey").get<std::string>()));
  const Witness witness{.name = file.at("witness_name").get<std::string>(),
                        .key = key_,
                        .logs = {log},
                        .store = *store_};
  for (const nlohmann::json& step : file.at("steps")) {
    const WitnessReply reply =
        HandleAddCheckpoint(witness, step.at("request_body").get<std::string>(), kNow);
    // 404 and not 403 of an unknown log since v1.0.0; the forged line is no base64 either.
    std::set<int> expected = {step.value("status_c2sp_v1", step.at("status").get<int>())};
    if (step.contains("also_acceptable")) expected.insert(step.at("also_acceptable").get<int>());
    EXPECT_TRUE(expected.count(reply.status)) << reply.status << " " << reply.body << step;
    const std::string claim = step.at("assert").get<std::string>();
    if (absl::StartsWith(claim, "body == ")) {
      EXPECT_EQ(reply.body, nlohmann::json::parse(claim.substr(8)).get<std::string>());
    } else if (reply.status == 200) {
      EXPECT_TRUE(absl::StrContains(reply.body, "— example.com/witness"));
    }
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor
