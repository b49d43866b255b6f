#include "ledger_anchor/feed.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/cosign.h"
#include "ledger_anchor/witness_http.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

constexpr char kOrigin[] = "fl.example/ledger";
constexpr uint64_t kNow = 1'767'000'000;

// A real witness behind a wire that can be bent.
class BentTransport : public WitnessTransport {
 public:
  explicit BentTransport(const Witness& witness) : witness_(witness) {}
  absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) override {
    ++n_requests;
    if (broken) return absl::UnavailableError("no answer came");
    WitnessReply reply = HandleAddCheckpoint(witness_, body, now_s);
    if (bend) bend(reply);
    return reply;
  }
  absl::StatusOr<WitnessReply> GetCheckpoint() override {
    if (shown.has_value()) return *shown;
    return HandleGetCheckpoint(witness_, ToHex(crypto::Sha256(kOrigin)));
  }

  int n_requests = 0;
  bool broken = false;
  uint64_t now_s = kNow;
  std::function<void(WitnessReply&)> bend;
  std::optional<WitnessReply> shown;

 private:
  const Witness& witness_;
};

class FeedTest : public testing::Test {
 protected:
  FeedTest()
      : folder_(std::filesystem::path(testing::TempDir()) / absl::StrCat("hilum_feed_", getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const std::string vkey = FormatVerifierKey(witness_key());
    HILUM_EXPECT_OK(WitnessStore::Create(folder_ / "w.sqlite", vkey));
    store_ = WitnessStore::Open(folder_ / "w.sqlite", vkey).value();
    witness_ = std::make_unique<Witness>(
        Witness{.name = "hospital-a/witness", .key = key_, .logs = {log()}, .store = *store_});
    wire_ = std::make_unique<BentTransport>(*witness_);
    for (int i = 0; i < 40; ++i) {
      tree_.Add(crypto::LeafHash(AsBytes(absl::StrCat("entry", i))));
      other_.Add(crypto::LeafHash(AsBytes(absl::StrCat(i < 5 ? "entry" : "other", i))));
    }
  }
  ~FeedTest() override { std::filesystem::remove_all(folder_); }

  VerifierKey witness_key() const {
    return MakeVerifierKey("hospital-a/witness", KeyType::kCosignature, key_.public_key());
  }
  VerifierKey log() const {
    return MakeVerifierKey(kOrigin, KeyType::kEd25519, log_key_.public_key());
  }
  FedCheckpoint Fed(const TreeHashes& tree, uint64_t size) const {
    FedCheckpoint fed;
    fed.log = log();
    fed.checkpoint = {.origin = kOrigin,
                      .size = size,
                      .root = RangeRoot(0, size, tree.reader()).value(),
                      .extensions = {}};
    fed.note = SignCheckpoint(fed.checkpoint, log_key_);
    fed.prove = [&tree, size](uint64_t old) { return ProveConsistency(old, size, tree.reader()); };
    fed.root_at = [&tree, grown = std::max(size, grown_)](uint64_t at) -> absl::StatusOr<Digest> {
      if (at > grown) return absl::InvalidArgumentError("not that large");
      return RangeRoot(0, at, tree.reader());
    };
    return fed;
  }
  FeedResult Ask(uint64_t size) { return feed_.Ask(Fed(tree_, size), *wire_, kNow); }

  uint64_t grown_ = 0;  // the log's size by the time that it judges the answer
  const std::filesystem::path folder_;
  const crypto::SigningKey log_key_ = crypto::SigningKey::FromSeed({1});
  const crypto::SigningKey key_ = crypto::SigningKey::FromSeed({9});
  std::unique_ptr<WitnessStore> store_;
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<BentTransport> wire_;
  TreeHashes tree_, other_;
  WitnessFeed feed_{witness_key()};
};

TEST_F(FeedTest, EachCheckpointCostsOneRequest) {
  for (const uint64_t size : {1, 5, 6, 40}) {
    const FeedResult result = Ask(size);
    ASSERT_EQ(result.verdict, FeedVerdict::kCosigned) << result.reason;
    const Checkpoint checkpoint = Fed(tree_, size).checkpoint;
    HILUM_EXPECT_OK(
        VerifyCosignature(FormatCheckpointText(checkpoint), result.line, witness_key()).status());
  }
  EXPECT_EQ(wire_->n_requests, 4);
}

// A slow witness may have been asked for a newer checkpoint meanwhile; a lying one may show the
// newest, which is everybody's, to stop the log.
TEST_F(FeedTest, ANewerCheckpointThatTheLogHasIsNoContradiction) {
  ASSERT_EQ(Ask(30).verdict, FeedVerdict::kCosigned);
  feed_ = WitnessFeed(witness_key());
  grown_ = 40;
  const FeedResult result = Ask(20);
  EXPECT_EQ(result.verdict, FeedVerdict::kMissing) << result.reason;
  grown_ = 0;
  EXPECT_EQ(Ask(20).verdict, FeedVerdict::kContradiction);
}

TEST_F(FeedTest, AWitnessThatCannotShowItsCheckpointNowIsNoLiar) {
  ASSERT_EQ(Ask(30).verdict, FeedVerdict::kCosigned);
  feed_ = WitnessFeed(witness_key());
  wire_->shown = WitnessReply{.status = 503, .body = "busy"};
  EXPECT_EQ(Ask(20).verdict, FeedVerdict::kMissing);
}

TEST_F(FeedTest, ALogThatForgotTheSizeLearnsItByOneMoreRequest) {
  ASSERT_EQ(Ask(7).verdict, FeedVerdict::kCosigned);
  feed_ = WitnessFeed(witness_key());
  EXPECT_EQ(Ask(20).verdict, FeedVerdict::kCosigned);
  EXPECT_EQ(wire_->n_requests, 3);
}

TEST_F(FeedTest, AWitnessThatDoesNotAnswerIsMissing) {
  wire_->broken = true;
  EXPECT_EQ(Ask(7).verdict, FeedVerdict::kMissing);
  wire_->broken = false;
  wire_->bend = [](WitnessReply& reply) { reply.status = 503; };
  EXPECT_EQ(Ask(7).verdict, FeedVerdict::kMissing);
  wire_->bend = nullptr;
  EXPECT_EQ(Ask(8).verdict, FeedVerdict::kCosigned);
}

TEST_F(FeedTest, AWitnessOfOtherLogsIsMisconfigured) {
  for (const int status : {400, 403, 404}) {
    wire_->bend = [&](WitnessReply& reply) { reply = {.status = status, .body = "no\n"}; };
    const FeedResult result = Ask(7);
    EXPECT_EQ(result.verdict, FeedVerdict::kMisconfigured);
    EXPECT_EQ(result.reason, absl::StrCat("it answers ", status, ": no"));
  }
}

TEST_F(FeedTest, TheSameOverHttp) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto service,
                             ServeWitness(*witness_, SystemClock(), "127.0.0.1:0"));
  const std::string url = absl::StrCat("http://", service->address());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto http, HttpWitness(url, kOrigin));
  const auto now_s = static_cast<uint64_t>(SystemClock().NowSeconds());
  EXPECT_EQ(feed_.Ask(Fed(tree_, 7), *http, now_s).verdict, FeedVerdict::kCosigned);
  feed_ = WitnessFeed(witness_key());
  EXPECT_EQ(feed_.Ask(Fed(tree_, 20), *http, now_s).verdict, FeedVerdict::kCosigned);
  EXPECT_EQ(feed_.Ask(Fed(other_, 30), *http, now_s).verdict, FeedVerdict::kContradiction);
  HILUM_ASSERT_OK_AND_ASSIGN(const WitnessReply long_one,
                             http->AddCheckpoint(std::string(kAddCheckpointLimitBytes + 1, 'x')));
  EXPECT_EQ(long_one.status, 413);
  service->Stop();
  EXPECT_EQ(feed_.Ask(Fed(tree_, 21), *http, now_s).verdict, FeedVerdict::kMissing);
  EXPECT_THAT(HttpWitness("ftp://x", kOrigin).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "http"));
}

// A restored older copy of the log: it must stop before it signs a fork.
TEST_F(FeedTest, OurOwnLargerCheckpointIsAContradiction) {
  ASSERT_EQ(Ask(20).verdict, FeedVerdict::kCosigned);
  WitnessFeed restarted(witness_key());
  const FeedResult result = restarted.Ask(Fed(tree_, 10), *wire_, kNow);
  EXPECT_EQ(result.verdict, FeedVerdict::kContradiction);
  HILUM_EXPECT_OK(OpenCheckpoint(result.evidence, log()).status());
}

TEST_F(FeedTest, OurOwnOtherRootIsAContradiction) {
  ASSERT_EQ(Ask(20).verdict, FeedVerdict::kCosigned);
  const FeedResult same = feed_.Ask(Fed(other_, 20), *wire_, kNow);
  EXPECT_EQ(same.verdict, FeedVerdict::kContradiction);
  const FeedResult longer = feed_.Ask(Fed(other_, 30), *wire_, kNow);
  EXPECT_EQ(longer.verdict, FeedVerdict::kContradiction);
}

// One lying witness cannot stop the log.
TEST_F(FeedTest, AWitnessThatLiesIsFaulty) {
  ASSERT_EQ(Ask(20).verdict, FeedVerdict::kCosigned);
  const auto lie = [&](WitnessReply answer, WitnessReply shown) {
    wire_->bend = [answer](WitnessReply& reply) { reply = answer; };
    wire_->shown = std::move(shown);
    return Ask(30);
  };
  const WitnessReply larger{
      .status = 409, .content_type = std::string(kSizeContentType), .body = "99\n"};
  const WitnessReply nothing{.status = 404, .body = "none\n"};
  EXPECT_EQ(lie(larger, nothing).verdict, FeedVerdict::kFaulty);
  // A checkpoint that somebody else signed shows nothing of our log.
  Checkpoint invented{.origin = kOrigin, .size = 99, .root = Digest{1}, .extensions = {}};
  const auto stranger = crypto::SigningKey::FromSeed({44});
  EXPECT_EQ(lie(larger, {.status = 200, .body = SignCheckpoint(invented, stranger)}).verdict,
            FeedVerdict::kFaulty);
  // One that we signed and still have is no contradiction.
  EXPECT_EQ(
      lie({.status = 422, .body = "no\n"}, {.status = 200, .body = Fed(tree_, 20).note}).verdict,
      FeedVerdict::kFaulty);
  EXPECT_EQ(lie({.status = 409, .body = "20\n"}, nothing).verdict, FeedVerdict::kFaulty);
  EXPECT_EQ(
      lie({.status = 409, .content_type = std::string(kSizeContentType), .body = "20\n"}, nothing)
          .verdict,
      FeedVerdict::kFaulty);  // for ever
}

TEST_F(FeedTest, OnlyACosignatureOfItsOwnKeyAndTimeCounts) {
  ASSERT_EQ(Ask(7).verdict, FeedVerdict::kCosigned);
  const std::string text = FormatCheckpointText(Fed(tree_, 8).checkpoint);
  const auto answer = [&](absl::string_view name, const crypto::SigningKey& key, uint64_t time_s) {
    return FormatSignatureLine(
        Cosign({.checkpoint_text = text, .name = name, .time_s = time_s}, key).value());
  };
  const auto verdict = [&](const std::string& body) {
    wire_->bend = [body](WitnessReply& reply) { reply = {.status = 200, .body = body}; };
    const FeedVerdict found = Ask(8).verdict;
    feed_ = WitnessFeed(witness_key());
    return found;
  };
  const auto other = crypto::SigningKey::FromSeed({55});
  const char* const name = "hospital-a/witness";
  const std::string good = answer(name, key_, kNow);
  EXPECT_EQ(verdict(good), FeedVerdict::kCosigned);
  EXPECT_EQ(verdict(answer("x", other, kNow) + good), FeedVerdict::kCosigned);
  EXPECT_EQ(verdict(""), FeedVerdict::kFaulty);
  EXPECT_EQ(verdict(good + good), FeedVerdict::kFaulty);
  EXPECT_EQ(verdict(answer(name, other, kNow)), FeedVerdict::kFaulty);
  EXPECT_EQ(verdict(answer(name, key_, kNow - 301)), FeedVerdict::kFaulty);
  EXPECT_EQ(verdict(answer(name, key_, kNow + 301)), FeedVerdict::kFaulty);
  EXPECT_EQ(verdict(answer(name, key_, kNow + 300)), FeedVerdict::kCosigned);
}

}  // namespace
}  // namespace hilum::ledger_anchor
