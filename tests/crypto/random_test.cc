#include "crypto/random.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/crypto/vector_file.h"

namespace hilum::crypto {
namespace {

TEST(RandomBytes, DoNotRepeat) {
  std::set<std::array<uint8_t, 16>> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(RandomArray<16>()).second);
}

TEST(SeededStream, EqualsRfc8439) {
  const auto vectors = ReadVectors("crypto/chacha20.json");
  for (const auto& test : vectors.at("tests")) {
    SeededStream stream(HexArray<32>(test, "key"));
    stream.Seek(64 * test.at("block").get<uint64_t>());
    Bytes block(64);
    stream.Fill(block);
    EXPECT_EQ(ToHex(block), test.at("keystream").get<std::string>());
  }
}

TEST(SeededStream, GivesTheSameBytesFromEveryOffset) {
  SeededStream whole({1, 2, 3});
  Bytes expected(500);
  whole.Fill(expected);
  for (const size_t offset : {0, 1, 63, 64, 65, 127, 128, 300, 499}) {
    SeededStream stream({1, 2, 3});
    stream.Seek(offset);
    EXPECT_EQ(stream.offset_bytes(), offset);
    Bytes rest(expected.size() - offset);
    stream.Fill(std::span(rest).first(rest.size() / 2));
    stream.Fill(std::span(rest).subspan(rest.size() / 2));
    EXPECT_EQ(rest, Bytes(expected.begin() + static_cast<ptrdiff_t>(offset), expected.end()));
    EXPECT_EQ(stream.offset_bytes(), expected.size());
  }
}

// Block 2^32 would be block 0 again if the counter wrapped.
TEST(SeededStream, CarriesPast256GiB) {
  SeededStream stream({7});
  Bytes first(64);
  stream.Fill(first);
  stream.Seek(((uint64_t{1} << 32) - 1) * 64);
  Bytes across(128);
  stream.Fill(across);
  EXPECT_NE(Bytes(across.begin() + 64, across.end()), first);
  SeededStream other({7});
  other.Seek((uint64_t{1} << 32) * 64);
  Bytes after(64);
  other.Fill(after);
  EXPECT_EQ(Bytes(across.begin() + 64, across.end()), after);
}

TEST(SeededStream, WordsAreLittleEndianBytes) {
  SeededStream bytes({3});
  SeededStream words({3});
  Bytes b(12);
  bytes.Fill(b);
  std::array<uint32_t, 3> w;
  words.Fill(std::span<uint32_t>(w));
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(w[j], uint32_t{b[4 * j]} | uint32_t{b[4 * j + 1]} << 8 |
                        uint32_t{b[4 * j + 2]} << 16 | uint32_t{b[4 * j + 3]} << 24);
  }
}

TEST(SeededStream, BelowStaysBelowAndReachesAll) {
  SeededStream stream({4});
  std::array<int, 7> counts{};
  for (int i = 0; i < 7000; ++i) ++counts[stream.Below(7)];
  // Each count is binomial(7000, 1/7): standard deviation 29.3; six of them are 176.
  for (const int count : counts) EXPECT_NEAR(count, 1000, 176);
  EXPECT_EQ(stream.Below(1), 0u);
  for (int i = 0; i < 100; ++i)
    EXPECT_LT(stream.Below((uint64_t{1} << 63) + 1), (uint64_t{1} << 63) + 1);
}

TEST(SeededStream, UniformIsInTheHalfOpenInterval) {
  SeededStream stream({5});
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double u = stream.NextUniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  // Standard deviation of the mean: 0.2887 / 100.
  EXPECT_NEAR(sum / 10000, 0.5, 6 * 0.002887);
}

}  // namespace
}  // namespace hilum::crypto
