#include "ledger_anchor/checkpoint.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "crypto/tree.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

TEST(Checkpoint, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/checkpoint_parse.json");
  for (const Json& vector : file.at("valid")) {
    const std::string text = vector.at("text").get<std::string>();
    const auto checkpoint = ParseCheckpointText(text);
    ASSERT_EQ(checkpoint.ok(), vector.at("strict_valid").get<bool>()) << text;
    if (!checkpoint.ok()) continue;
    EXPECT_EQ(checkpoint->origin, vector.at("origin").get<std::string>());
    EXPECT_EQ(checkpoint->size, vector.at("size").get<uint64_t>());
    EXPECT_EQ(ToHex(checkpoint->root), vector.at("hash_hex").get<std::string>());
    EXPECT_EQ(FormatCheckpointText(*checkpoint), text);
  }
  for (const Json& vector : file.at("invalid")) {
    EXPECT_THAT(ParseCheckpointText(vector.at("text").get<std::string>()),
                StatusIs(StatusCode::kDataLoss, "checkpoint"))
        << vector.at("why");
  }
}

class Checkpoints : public ::testing::Test {
 protected:
  crypto::SigningKey key_ = crypto::SigningKey::FromSeed({1});
  VerifierKey log_ = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519, key_.public_key());
  Checkpoint checkpoint_{
      .origin = "fl.example/ledger", .size = 5, .root = crypto::Sha256("r"), .extensions = {}};
};

TEST_F(Checkpoints, OpenUnderTheLogsKey) {
  const std::string note = SignCheckpoint(checkpoint_, key_);
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenedCheckpoint opened, OpenCheckpoint(note, log_));
  EXPECT_EQ(opened.checkpoint.size, 5u);
  EXPECT_EQ(opened.checkpoint.root, checkpoint_.root);
  const VerifierKey other = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                            crypto::SigningKey::FromSeed({2}).public_key());
  EXPECT_THAT(OpenCheckpoint(note, other), StatusIs(StatusCode::kDataLoss, "known key"));
}

TEST_F(Checkpoints, RefuseEachChangedByte) {
  const std::string note = SignCheckpoint(checkpoint_, key_);
  for (size_t i = 0; i < note.size(); ++i) {
    std::string bad = note;
    bad[i] = static_cast<char>(bad[i] ^ 2);
    EXPECT_FALSE(OpenCheckpoint(bad, log_).ok()) << i;
  }
}

TEST_F(Checkpoints, HaveTheOriginAsKeyNameAndNoExtensions) {
  checkpoint_.extensions = {"more"};
  EXPECT_THAT(OpenCheckpoint(SignCheckpoint(checkpoint_, key_), log_),
              StatusIs(StatusCode::kDataLoss, "extension"));
  // Signed by the right key name over the text of another log.
  checkpoint_.extensions = {};
  checkpoint_.origin = "other.example/ledger";
  Note note{.text = FormatCheckpointText(checkpoint_), .lines = {}};
  note.lines.push_back(SignNote(note.text, log_.name, key_));
  EXPECT_THAT(OpenCheckpoint(FormatNote(note), log_), StatusIs(StatusCode::kDataLoss, "not of"));
}

TEST_F(Checkpoints, OfSizeZeroHaveTheEmptyRoot) {
  checkpoint_.size = 0;
  EXPECT_THAT(ParseCheckpointText(FormatCheckpointText(checkpoint_)),
              StatusIs(StatusCode::kDataLoss, "size 0"));
  checkpoint_.root = crypto::EmptyTreeHash();
  HILUM_EXPECT_OK(ParseCheckpointText(FormatCheckpointText(checkpoint_)));
}

TEST_F(Checkpoints, RefuseOtherForms) {
  const std::string root = "jN2xYB6L6EqtmpBln3UE7pQrWkD6YQRsdUrQ4F/w9HU=";
  HILUM_EXPECT_OK(ParseCheckpointText("o\n1\n" + root + "\n"));
  for (const std::string& bad :
       std::vector<std::string>{"o\n01\n" + root + "\n", "o\r\n1\n" + root + "\n",
                                "o\n1\n" + root + "\n\n", "o\n1\n" + root, "o\n1\n\n" + root + "\n",
                                "o\n1\njN2xYB6L6EqtmpBln3UE7pQrWkD6YQRsdUrQ4F/w9HV=\n",
                                std::string("o\n1\njN2xYB6L6EqtmpBln3UE7pQrWkD6YQRsdUrQ4F/w9A==\n"),
                                std::string("\n"), "o\n9223372036854775808\n" + root + "\n"}) {
    EXPECT_THAT(ParseCheckpointText(bad), StatusIs(StatusCode::kDataLoss, "")) << bad;
  }
}

// The log's part of the add-checkpoint requests that Torchwood's witness is tested with: which of
// them bear a good signature of the configured log.
TEST(Checkpoint, OfTheWitnessRequestsAreSignedOrNot) {
  const Json file = ReadVectors("ledger/witness_add_checkpoint.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey log,
                             ParseVerifierKey(file.at("log_vkey").get<std::string>()));
  ASSERT_EQ(file.at("steps").size(), 9u);
  for (const Json& step : file.at("steps")) {
    const std::string body = step.at("request_body").get<std::string>();
    const std::string note = body.substr(body.find("\n\n") + 2);
    const int status = step.contains("status_c2sp_v1") ? step.at("status_c2sp_v1").get<int>()
                                                       : step.at("status").get<int>();
    // 400, 403 and 404 are answers about the note itself; the others come after it was believed.
    const bool believed = status != 400 && status != 403 && status != 404;
    EXPECT_EQ(OpenCheckpoint(note, log).ok(), believed) << step;
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor
