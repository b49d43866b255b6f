#include "kernels/pack.h"

#include "kernels/pack_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

uint32_t MaskOf(int bits) { return 0xffffffffu >> (32 - bits); }

TEST(PackWords, GivesTheReferencesBytesInEveryWayAndBack) {
  for (int bits = kMinPackedBits; bits <= kMaxPackedBits; ++bits) {
    for (const int64_t n : SizesAround(PackProgram::kTile)) {
      Guarded ring(RandomWords(n));  // with bits above ring_bits: they are dropped
      Guarded<uint8_t> want(PackedSizeBytes(n, bits));
      PackWordsReference(ring.span(), bits, want.span());
      std::vector<uint32_t> kept(static_cast<size_t>(n)), by_reference(kept.size());
      UnpackWordsReference(want.span(), bits, by_reference);
      for (size_t k = 0; k < kept.size(); ++k) kept[k] = ring.span()[k] & MaskOf(bits);
      EXPECT_EQ(by_reference, kept);
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded<uint8_t> packed(PackedSizeBytes(n, bits));
        launch(PackProgram{.ring = ring.span().data(),
                           .packed = packed.span().data(),
                           .n = n,
                           .ring_bits = bits,
                           .mask = MaskOf(bits)},
               n);
        ASSERT_EQ(packed.values(), want.values()) << way << ", n = " << n << ", " << bits;
        Guarded<uint32_t> back(n);
        launch(UnpackProgram{.packed = packed.span().data(),
                             .ring = back.span().data(),
                             .n_bytes = PackedSizeBytes(n, bits),
                             .n = n,
                             .ring_bits = bits,
                             .mask = MaskOf(bits)},
               n);
        ASSERT_EQ(back.values(), kept) << way << ", n = " << n << ", " << bits;
        EXPECT_TRUE(packed.GuardsAreIntact() && back.GuardsAreIntact()) << way << ", n = " << n;
      });
    }
  }
}

// The worked example of pack.h.
TEST(PackWords, PutsLowBitsFirst) {
  std::vector<uint8_t> packed(5);
  HILUM_EXPECT_OK(PackWords(std::vector<uint32_t>{1, 0x1ffff}, 17, packed, Device::kCpu));
  EXPECT_EQ(packed, (std::vector<uint8_t>{0x01, 0x00, 0xfe, 0xff, 0x03}));
  std::vector<uint32_t> ring(2);
  HILUM_EXPECT_OK(UnpackWords(packed, 17, ring, Device::kCpu));
  EXPECT_EQ(ring, (std::vector<uint32_t>{1, 0x1ffff}));
}

TEST(PackWords, RefusesBitsAndLengthsThatDoNotFit) {
  const auto refused = absl::StatusCode::kInvalidArgument;
  std::vector<uint8_t> packed(5);
  for (const int bits : {0, 15, 33, -1}) {
    EXPECT_THAT(PackWords(std::vector<uint32_t>(2), bits, packed, Device::kCpu),
                StatusIs(refused, "they have 16 to 32"));
  }
  EXPECT_THAT(PackWords(std::vector<uint32_t>(3), 17, packed, Device::kCpu),
              StatusIs(refused, "5 bytes were given for 3 words of 17 bits, which take 7"));
}

TEST(UnpackWords, RefusesAnotherLength) {
  std::vector<uint32_t> ring(2);
  for (const size_t n_bytes : {0, 4, 6}) {
    EXPECT_THAT(UnpackWords(std::vector<uint8_t>(n_bytes), 17, ring, Device::kCpu),
                StatusIs(absl::StatusCode::kDataLoss, "2 words of 17 bits take 5 bytes"));
  }
  EXPECT_THAT(UnpackWords(std::vector<uint8_t>(4), 14, ring, Device::kCpu),
              StatusIs(absl::StatusCode::kInvalidArgument, "packed words of 14 bits"));
}

TEST(UnpackWords, RefusesASecondFormOfTheSameVector) {
  std::vector<uint32_t> ring(2);
  for (int bit = 2; bit < 8; ++bit) {  // 34 bits: the last byte holds two of them
    EXPECT_THAT(UnpackWords(std::vector<uint8_t>{1, 0, 0, 0, static_cast<uint8_t>(1 << bit)}, 17,
                            ring, Device::kCpu),
                StatusIs(absl::StatusCode::kDataLoss, "the last 6 bits of 5 packed bytes"));
  }
  HILUM_EXPECT_OK(UnpackWords(std::vector<uint8_t>{0, 0, 0, 0, 3}, 17, ring, Device::kCpu));
}

}  // namespace
}  // namespace hilum::kernels
