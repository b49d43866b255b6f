#include "ledger_anchor/proof.h"

#include <gtest/gtest.h>

#include "crypto/base64.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

TEST(TlogProof, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/tlog_proof.json");
  for (const Json& vector : file.at("marshal")) {
    const std::string want = vector.at("want").get<std::string>();
    HILUM_ASSERT_OK_AND_ASSIGN(const TlogProof proof, ParseTlogProof(want));
    EXPECT_EQ(FormatTlogProof(proof), want);
    EXPECT_EQ(proof.index, vector.at("index").get<uint64_t>());
    EXPECT_EQ(proof.checkpoint, vector.at("checkpoint").get<std::string>());
    const Json& hashes = vector.at("hashes");
    ASSERT_EQ(proof.hashes.size(), hashes.is_null() ? 0 : hashes.size());
    for (size_t i = 0; i < proof.hashes.size(); ++i) {
      EXPECT_EQ(crypto::Base64Encode(proof.hashes[i]), hashes[i].get<std::string>());
    }
    if (vector.contains("extra")) {
      EXPECT_EQ(crypto::Base64Encode(AsBytes(proof.extra)), vector.at("extra").get<std::string>());
    }
  }
  for (const Json& text : file.at("invalid")) {
    EXPECT_THAT(ParseTlogProof(text.get<std::string>()), StatusIs(StatusCode::kDataLoss, ""))
        << text;
  }
}

TEST(TlogProof, OfTheGeneratedLogVerifies) {
  const Json file = ReadVectors("ledger/generated_end_to_end.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const TlogProof proof,
                             ParseTlogProof(file.at("tlog_proof_index_257").get<std::string>()));
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey log,
                             ParseVerifierKey(file.at("log_vkey").get<std::string>()));
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenedCheckpoint opened, OpenCheckpoint(proof.checkpoint, log));
  TreeHashes tree;
  for (int i = 0; i < 300; ++i) {
    tree.Add(crypto::LeafHash(AsBytes("round " + std::to_string(i))));
  }
  EXPECT_EQ(tree.Root(), opened.checkpoint.root);
  HILUM_EXPECT_OK(
      VerifyInclusion({257, 300, tree.level(0)[257], opened.checkpoint.root}, proof.hashes));
  EXPECT_EQ(ProveInclusion(257, 300, tree.reader()).value(), proof.hashes);
}

std::string ProofWith(size_t n_hashes) {
  TlogProof proof;
  proof.extra = "x";
  proof.hashes.resize(n_hashes);
  proof.checkpoint = "c\n";
  return FormatTlogProof(proof);
}

TEST(TlogProof, HoldsUpTo63Hashes) {
  HILUM_EXPECT_OK(ParseTlogProof(ProofWith(63)));
  EXPECT_THAT(ParseTlogProof(ProofWith(64)), StatusIs(StatusCode::kDataLoss, "63"));
}

TEST(TlogProof, RefusesOtherForms) {
  const std::string head = "c2sp.org/tlog-proof@v1\n";
  for (const std::string& bad : std::vector<std::string>{
           std::string(), head, head + "index 0\n", head + "index 0\n\n",
           head + "extra \nindex 0\n\nc\n", head + "index 00\n\nc\n",
           head + "index 0\nextra eA==\n\nc\n", head + "index 0\r\n\nc\n",
           head + "index 0\nAAAA\n\nc\n", head + "index  0\n\nc\n",
           head + "extra eA=\nindex 0\n\nc\n", head + "extra eA==\nextra eA==\nindex 0\n\nc\n"}) {
    EXPECT_THAT(ParseTlogProof(bad), StatusIs(StatusCode::kDataLoss, "")) << bad;
  }
  EXPECT_THAT(ParseTlogProof(std::string(kProofLimitBytes + 1, 'c')),
              StatusIs(StatusCode::kDataLoss, "limit"));
}

}  // namespace
}  // namespace hilum::ledger_anchor
