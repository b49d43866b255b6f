#include "privacy/packed_vector.h"

#include <gtest/gtest.h>

#include <random>

#include "crypto/labels.h"
#include "crypto/tree.h"
#include "privacy/transcript.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

std::vector<uint32_t> RandomWords(size_t n, int ring_bits) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::vector<uint32_t> words(n);
  for (uint32_t& word : words) word = static_cast<uint32_t>(random()) >> (32 - ring_bits);
  return words;
}

TEST(VectorLayout, CountsTheBytesOfEachChunk) {
  const VectorLayout layout{.n_coords = 2 * kChunkCoords + 3, .ring_bits = 25};
  EXPECT_EQ(layout.n_chunks(), 3u);
  EXPECT_EQ(layout.BytesOf(0), 819'200u);  // 2^18 * 25 / 8
  EXPECT_EQ(layout.BytesOf(2), 10u);       // 75 bits
  EXPECT_EQ(layout.size_bytes(), 2u * 819'200 + 10);
  // A chunk starts on a byte boundary: 3 words of 17 bits are 51 bits, 7 bytes.
  const VectorLayout odd{.n_coords = 7, .chunk_coords = 3, .ring_bits = 17};
  EXPECT_EQ(odd.size_bytes(), 7u + 7 + 3);
  EXPECT_EQ((VectorLayout{.n_coords = 5}.size_bytes()), 20u);
}

TEST(PackedVector, ComesBackAndHasTheRootOfItsBytes) {
  for (const int ring_bits : {16, 17, 25, 31, 32}) {
    for (const uint32_t chunk_coords : {8u, 64u, 100u}) {
      const VectorLayout layout{
          .n_coords = 333, .chunk_coords = chunk_coords, .ring_bits = ring_bits};
      const std::vector<uint32_t> words = RandomWords(333, ring_bits);
      const Bytes packed = PackVector(words, layout);
      ASSERT_EQ(packed.size(), layout.size_bytes());
      HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<uint32_t> back, UnpackVector(packed, layout));
      EXPECT_EQ(back, words);
      crypto::ChunkTree tree(crypto::kLabelR2Chunk);
      ByteView rest = packed;
      for (uint32_t chunk = 0; chunk < layout.n_chunks(); ++chunk) {
        tree.AddPart(rest.first(layout.BytesOf(chunk)));
        tree.EndChunk();
        rest = rest.subspan(layout.BytesOf(chunk));
      }
      EXPECT_EQ(UpdateRoot(words, layout), tree.Root()) << ring_bits << " " << chunk_coords;
    }
  }
}

TEST(PackedVector, HasOneSpelling) {
  const VectorLayout layout{.n_coords = 13, .chunk_coords = 8, .ring_bits = 25};
  const Bytes packed = PackVector(RandomWords(13, 25), layout);  // 25 bytes, then 125 bits
  Bytes changed = packed;
  changed.back() |= 0x20;
  EXPECT_THAT(UnpackVector(changed, layout),
              StatusIs(absl::StatusCode::kDataLoss, "belong to no word"));
  changed = packed;
  changed.push_back(0);
  EXPECT_THAT(UnpackVector(changed, layout),
              StatusIs(absl::StatusCode::kDataLoss, "has 42 bytes, the round's have 41"));
  EXPECT_THAT(UnpackVector({}, layout), StatusIs(absl::StatusCode::kDataLoss, "has 0 bytes"));
  const VectorLayout hostile{.n_coords = 8, .chunk_coords = 8, .ring_bits = 5};
  EXPECT_THAT(UnpackVector(Bytes(5), hostile),
              StatusIs(absl::StatusCode::kInvalidArgument, "they have 16 to 32"));
}

}  // namespace
}  // namespace hilum::privacy
