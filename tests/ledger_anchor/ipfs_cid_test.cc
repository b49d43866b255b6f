#include "ledger_anchor/ipfs_cid.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "nlohmann/json.hpp"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

Bytes Data(size_t n_bytes) {
  Bytes bytes(n_bytes);
  for (size_t i = 0; i < n_bytes; ++i) bytes[i] = static_cast<uint8_t>(i % 251);
  return bytes;
}

TEST(IpfsCid, IsThatOfTheVectors) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      ReadTextFile(HILUM_SOURCE_DIR "/tests/vectors/ledger/ipfs_cid.json", 1 << 20));
  const auto vectors = nlohmann::json::parse(text)["vectors"];
  ASSERT_EQ(vectors.size(), 8u);
  for (const auto& vector : vectors) {
    const Bytes bytes = Data(vector["size"]);
    const Digest sha256 = crypto::Sha256(bytes);
    ASSERT_EQ(ToHex(sha256), vector["sha256"]);
    EXPECT_EQ(IpfsCidOfBlock(sha256), vector["cidv1_raw_single_block"]);
    IpfsCid cid;
    cid.Update(bytes);
    EXPECT_EQ(cid.Finish(), vector["cidv1_unixfs_raw_leaves"]) << vector["size"];
  }
}

TEST(IpfsCid, IsTheSameInAnyParts) {
  const Bytes bytes = Data(600001);
  IpfsCid whole;
  whole.Update(bytes);
  const std::string expected = whole.Finish();
  for (const size_t part : {size_t{4096}, size_t{262143}, size_t{262144}, size_t{262145}}) {
    IpfsCid cid;
    for (size_t at = 0; at < bytes.size(); at += part) {
      cid.Update(ByteView(bytes).subspan(at, std::min(part, bytes.size() - at)));
    }
    EXPECT_EQ(cid.Finish(), expected) << part;
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor
