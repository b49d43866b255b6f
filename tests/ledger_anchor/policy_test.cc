#include "ledger_anchor/policy.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "ledger_anchor/cosign.h"
#include "tests/crypto/vector_file.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

constexpr uint64_t kNow = 1767000000;

TEST(Policy, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/policies.json");
  HILUM_EXPECT_OK(ParsePolicy(file.at("valid_two_of_two_type4").get<std::string>()));
  // Its witnesses have keys of type 0x01.
  EXPECT_THAT(ParsePolicy(file.at("valid_two_of_two").get<std::string>()),
              StatusIs(StatusCode::kInvalidArgument, "not fit for its role"));
  for (const Json& vector : file.at("invalid")) {
    EXPECT_THAT(ParsePolicy(vector.at("text").get<std::string>()),
                StatusIs(StatusCode::kInvalidArgument, "policy"))
        << vector.at("why");
  }
}

TEST(Policy, OfTheGeneratedLogHolds) {
  const Json file = ReadVectors("ledger/generated_end_to_end.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy,
                             ParsePolicy(file.at("policy_2_of_3").get<std::string>()));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const PolicyResult result,
      CheckPolicy(policy, file.at("checkpoint_300_with_3_cosignatures").get<std::string>(),
                  {.now_s = kNow + 5}));
  EXPECT_EQ(result.witnesses, (std::vector<std::string>{"w1", "w2", "w3"}));
  EXPECT_EQ(result.opened.checkpoint.size, 300u);
  EXPECT_FALSE(result.quorum_none);
}

// Lines of a policy with three witnesses.
class Policies : public ::testing::Test {
 protected:
  crypto::SigningKey WitnessKey(int i) const {
    return crypto::SigningKey::FromSeed(H("witness " + std::to_string(i)));
  }
  VerifierKey WitnessVkey(int i) const {
    return MakeVerifierKey("witness.example/w" + std::to_string(i), KeyType::kCosignature,
                           WitnessKey(i).public_key());
  }
  std::string Head(int n = 3) const {
    std::string text = absl::StrCat("log ", FormatVerifierKey(federation_.LogVkey()), "\n");
    for (int i = 1; i <= n; ++i) {
      absl::StrAppend(&text, "witness w", i, " ", FormatVerifierKey(WitnessVkey(i)), "\n");
    }
    return text;
  }
  // The checkpoint with the cosignatures of these witnesses, each at its time.
  std::string NoteWith(const std::map<int, uint64_t>& witnesses) const {
    const Checkpoint checkpoint{
        .origin = Federation::kOrigin, .size = 9, .root = H("root"), .extensions = {}};
    Note note = ParseNote(SignCheckpoint(checkpoint, federation_.LogKey())).value();
    for (const auto& [i, time_s] : witnesses) {
      note.lines.push_back(
          Cosign({.checkpoint_text = note.text, .name = WitnessVkey(i).name, .time_s = time_s},
                 WitnessKey(i))
              .value());
    }
    return FormatNote(note);
  }
  absl::Status Check(const std::string& quorum, const std::map<int, uint64_t>& witnesses) const {
    return CheckPolicy(ParsePolicy(Head() + quorum).value(), NoteWith(witnesses), {.now_s = kNow})
        .status();
  }
  Federation federation_;
};

TEST_F(Policies, CountTheMembersOfTheQuorum) {
  const std::string two = "group g 2 w1 w2 w3\nquorum g\n";
  HILUM_EXPECT_OK(Check(two, {{1, kNow}, {3, kNow}}));
  EXPECT_THAT(Check(two, {{2, kNow}}), StatusIs(StatusCode::kPermissionDenied, "quorum \"g\""));
  HILUM_EXPECT_OK(Check("group g all w1 w2\nquorum g\n", {{1, kNow}, {2, kNow}}));
  EXPECT_THAT(Check("group g all w1 w2\nquorum g\n", {{1, kNow}, {3, kNow}}),
              StatusIs(StatusCode::kPermissionDenied, "quorum"));
  HILUM_EXPECT_OK(Check("group g any w1 w2\nquorum g\n", {{2, kNow}}));
  HILUM_EXPECT_OK(Check("quorum w3\n", {{3, kNow}}));
  EXPECT_THAT(Check("quorum w3\n", {{1, kNow}}), StatusIs(StatusCode::kPermissionDenied, ""));
  // Groups of groups.
  const std::string nested = "group a any w1 w2\ngroup b all a w3\nquorum b\n";
  HILUM_EXPECT_OK(Check(nested, {{2, kNow}, {3, kNow}}));
  EXPECT_FALSE(Check(nested, {{1, kNow}, {2, kNow}}).ok());
}

TEST_F(Policies, WithoutWitnessesSaySo) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy,
                             ParsePolicy(MakePolicyWithoutWitnesses(federation_.LogVkey())));
  HILUM_ASSERT_OK_AND_ASSIGN(const PolicyResult result,
                             CheckPolicy(policy, NoteWith({}), {.now_s = kNow}));
  EXPECT_TRUE(result.quorum_none);
  EXPECT_TRUE(result.witnesses.empty());
  HILUM_EXPECT_OK(CheckFaults(policy, 5));
}

TEST_F(Policies, AskForFreshCosignatures) {
  const std::string two = "group g 2 w1 w2 w3\nquorum g\n";
  HILUM_EXPECT_OK(Check(two, {{1, kNow - 3600}, {2, kNow + 300}}));
  EXPECT_THAT(Check(two, {{1, kNow - 3601}, {2, kNow}}),
              StatusIs(StatusCode::kPermissionDenied, "last 3600 s"));
  EXPECT_THAT(Check(two, {{1, kNow}, {2, kNow + 301}}),
              StatusIs(StatusCode::kPermissionDenied, "last 3600 s"));
}

TEST_F(Policies, RefuseANoteWithOneBadCosignature) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy, ParsePolicy(Head() + "quorum w1\n"));
  Note note = ParseNote(NoteWith({{1, kNow}, {2, kNow}})).value();
  note.lines[2].signature[20] ^= 1;
  EXPECT_THAT(CheckPolicy(policy, FormatNote(note), {.now_s = kNow}),
              StatusIs(StatusCode::kDataLoss, "does not verify"));
  note = ParseNote(NoteWith({{1, kNow}})).value();
  note.lines.push_back(note.lines[1]);
  EXPECT_THAT(CheckPolicy(policy, FormatNote(note), {.now_s = kNow}),
              StatusIs(StatusCode::kDataLoss, "two signatures"));
}

// Cosignatures alone do not replace the log's own signature.
TEST_F(Policies, NeedTheLogsSignature) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy, ParsePolicy(Head() + "quorum w1\n"));
  Note note = ParseNote(NoteWith({{1, kNow}})).value();
  note.lines.erase(note.lines.begin());
  EXPECT_THAT(CheckPolicy(policy, FormatNote(note), {.now_s = kNow}),
              StatusIs(StatusCode::kDataLoss, "known key"));
}

TEST_F(Policies, RefuseAnotherLog) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy, ParsePolicy(Head() + "quorum none\n"));
  const Checkpoint checkpoint{
      .origin = "other.example/ledger", .size = 9, .root = H("root"), .extensions = {}};
  EXPECT_THAT(
      CheckPolicy(policy, SignCheckpoint(checkpoint, federation_.LogKey()), {.now_s = kNow}),
      StatusIs(StatusCode::kDataLoss, "does not name"));
}

TEST_F(Policies, BreakOneRuleEach) {
  const std::string w4 = FormatVerifierKey(WitnessVkey(4));
  const std::string log = FormatVerifierKey(federation_.LogVkey());
  const VerifierKey same_key =
      MakeVerifierKey("other", KeyType::kCosignature, federation_.LogKey().public_key());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no quorum"},
      {"quorum none\nquorum none\n", "second quorum"},
      {"quorum w9\n", "not defined"},
      {"quorum\n", "one name"},
      {"quorum w1 w2\n", "one name"},
      {"group g 0 w1\nquorum g\n", "threshold"},
      {"group g 2 w1\nquorum g\n", "threshold"},
      {"group g -1 w1\nquorum g\n", "threshold"},
      {"group g 01 w1\nquorum g\n", "threshold"},
      {"group g 1\nquorum g\n", "members"},
      {"group g 1 w9\nquorum g\n", "not defined"},
      {"group g 1 g\nquorum g\n", "not defined"},
      {"group g 1 none\nquorum g\n", "not defined"},
      {"group g 1 w1 w1\nquorum g\n", "twice"},
      {"group g 1 w1\ngroup h 1 w1\nquorum h\n", "twice"},
      {"group w1 1 w2\nquorum w1\n", "defined twice"},
      {"group all 1 w2\nquorum w1\n", "keyword"},
      {"witness any " + w4 + "\nquorum w1\n", "keyword"},
      {"witness none " + w4 + "\nquorum w1\n", "keyword"},
      {"witness w1 " + w4 + "\nquorum w1\n", "defined twice"},
      {"witness w4 " + FormatVerifierKey(WitnessVkey(1)) + "\nquorum w1\n", "another line"},
      {"witness w4 " + FormatVerifierKey(same_key) + "\nquorum w1\n", "another line"},
      {"witness w4 " + log + "\nquorum w1\n", "not fit"},
      {"log " + w4 + "\nquorum w1\n", "not fit"},
      {"witness w4 " + w4 + " url more\nquorum w1\n", "witness takes"},
      {"witness w4\nquorum w1\n", "witness takes"},
      {"log\nquorum w1\n", "log takes"},
      {"logs x\nquorum w1\n", "none of"},
      {"quorum w1\x01\n", "control"},
      {"quorum w1\r\n", "control"},
  };
  for (const auto& [lines, why] : cases) {
    EXPECT_THAT(ParsePolicy(Head() + lines), StatusIs(StatusCode::kInvalidArgument, why)) << lines;
  }
  EXPECT_THAT(ParsePolicy(std::string(kPolicyLimitBytes + 1, '#')),
              StatusIs(StatusCode::kInvalidArgument, "limit"));
}

TEST_F(Policies, IgnoreCommentsAndEmptyLines) {
  HILUM_EXPECT_OK(ParsePolicy("# a policy\n\n \t\n" + Head() + "  # more\n\tquorum \t w1\n#end"));
}

TEST_F(Policies, HaveTheirLimits) {
  std::string text;
  for (int i = 0; i < 512; ++i) {
    absl::StrAppend(&text, "witness w", i, " ", FormatVerifierKey(WitnessVkey(i)), "\n");
  }
  HILUM_EXPECT_OK(ParsePolicy(text + "quorum none\n"));
  EXPECT_THAT(
      ParsePolicy(text + "witness x " + FormatVerifierKey(WitnessVkey(900)) + "\nquorum none\n"),
      StatusIs(StatusCode::kInvalidArgument, "512"));
}

// The table of ledger.md 5.1: n, smallest quorum, dishonest witnesses that it covers.
TEST_F(Policies, CoverFaultsAsTheTableSays) {
  struct Row {
    int n, q;
    uint64_t f;
  };
  for (const Row row :
       {Row{2, 2, 1}, {3, 2, 0}, {3, 3, 2}, {4, 3, 1}, {5, 4, 2}, {7, 5, 2}, {10, 7, 3}}) {
    std::string text = Head(row.n) + absl::StrCat("group g ", row.q);
    for (int i = 1; i <= row.n; ++i) absl::StrAppend(&text, " w", i);
    HILUM_ASSERT_OK_AND_ASSIGN(const Policy policy, ParsePolicy(text + "\nquorum g\n"));
    HILUM_EXPECT_OK(CheckFaults(policy, row.f)) << row.n << " " << row.q;
    for (const uint64_t more : {row.f + 1, std::numeric_limits<uint64_t>::max()}) {
      EXPECT_THAT(CheckFaults(policy, more),
                  StatusIs(StatusCode::kPermissionDenied, "does not cover"));
    }
    const auto n = static_cast<uint64_t>(row.n), q = static_cast<uint64_t>(row.q);
    EXPECT_EQ(SmallestQuorum(n, row.f), q);
    EXPECT_EQ(FaultsCovered({.n = n, .q = q}), row.f);
    EXPECT_GT(SmallestQuorum(row.n, std::numeric_limits<uint64_t>::max()), 1u << 30);
  }
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Policy nested, ParsePolicy(Head() + "group a all w1 w2\ngroup b all a w3\nquorum b\n"));
  EXPECT_THAT(CheckFaults(nested, 0), StatusIs(StatusCode::kPermissionDenied, "nests"));
}

}  // namespace
}  // namespace hilum::ledger_anchor
