#include "kernels/integer_sum.h"

#include "kernels/integer_sum_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Add = IntegerSumProgram<1>;
using Subtract = IntegerSumProgram<-1>;

TEST(AddWords, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n : SizesAround(Add::kTile)) {
    Guarded words(RandomWords(n));
    Guarded want(RandomTotals(n));
    AddWordsReference(words.span(), want.span());
    ForEachWay([&](auto launch, const std::string& way) {
      Guarded got(RandomTotals(n));
      launch(Add{.words = words.span().data(), .total = got.span().data(), .n = n}, n);
      EXPECT_EQ(got.values(), want.values()) << way << ", n = " << n;
      EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
    });
    Guarded got(RandomTotals(n));
    HILUM_EXPECT_OK(AddWords(words.span(), got.span(), Device::kCpu));
    EXPECT_EQ(got.values(), want.values());
  }
}

TEST(SubtractWords, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t n : SizesAround(Subtract::kTile)) {
    Guarded words(RandomWords(n));
    Guarded want(RandomTotals(n));
    SubtractWordsReference(words.span(), want.span());
    ForEachWay([&](auto launch, const std::string& way) {
      Guarded got(RandomTotals(n));
      launch(Subtract{.words = words.span().data(), .total = got.span().data(), .n = n}, n);
      EXPECT_EQ(got.values(), want.values()) << way << ", n = " << n;
      EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
    });
  }
}

TEST(SubtractWords, LeavesNoTraceOfAHalfUpload) {
  const int64_t n = 5000;
  const std::vector<uint32_t> stays = RandomWords(n, 11), leaves = RandomWords(n, 12);
  std::vector<uint64_t> total(n, 0), without(n, 0);
  HILUM_EXPECT_OK(AddWords(stays, without, Device::kCpu));
  HILUM_EXPECT_OK(AddWords(leaves, total, Device::kCpu));
  HILUM_EXPECT_OK(AddWords(stays, total, Device::kCpu));
  HILUM_EXPECT_OK(SubtractWords(leaves, total, Device::kCpu));
  EXPECT_EQ(total, without);
}

TEST(AddWords, OrderOfArrivalDoesNotMatter) {
  const int64_t n = 3001;
  std::vector<uint64_t> forward(n, 0), backward(n, 0);
  for (uint32_t site = 0; site < 9; ++site) {
    HILUM_EXPECT_OK(AddWords(RandomWords(n, site), forward, Device::kCpu));
    HILUM_EXPECT_OK(AddWords(RandomWords(n, 8 - site), backward, Device::kCpu));
  }
  EXPECT_EQ(forward, backward);
}

TEST(AddWords, CarriesBeyond32Bits) {
  const std::vector<uint32_t> largest(5, 0xffffffff);
  std::vector<uint64_t> total(5, 0);
  for (int site = 0; site < 500; ++site) HILUM_EXPECT_OK(AddWords(largest, total, Device::kCpu));
  EXPECT_EQ(total, std::vector<uint64_t>(5, 500 * uint64_t{0xffffffff}));
}

TEST(AddWords, RefusesSpansOfDifferentLength) {
  std::vector<uint64_t> total(4);
  EXPECT_THAT(AddWords(RandomWords(5), total, Device::kCpu),
              StatusIs(absl::StatusCode::kInvalidArgument, "5 words does not fit the 4"));
  EXPECT_EQ(total, std::vector<uint64_t>(4, 0));
}

TEST(ReduceToRing, GivesTheReferencesBitsInEveryWay) {
  for (const int ring_bits : {1, 16, 25, 31, 32}) {
    for (const int64_t n : SizesAround(ReduceToRingProgram::kTile)) {
      Guarded total(RandomTotals(n));
      Guarded<uint32_t> want(n);
      ReduceToRingReference(total.span(), ring_bits, want.span());
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded<uint32_t> got(n);
        launch(ReduceToRingProgram{.total = total.span().data(),
                                   .ring = got.span().data(),
                                   .n = n,
                                   .mask = 0xffffffffu >> (32 - ring_bits)},
               n);
        EXPECT_EQ(got.values(), want.values()) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      Guarded<uint32_t> got(n);
      HILUM_EXPECT_OK(ReduceToRing(total.span(), ring_bits, got.span(), Device::kCpu));
      EXPECT_EQ(got.values(), want.values());
    }
  }
}

TEST(ReduceToRing, RefusesWhatItCannotHold) {
  std::vector<uint32_t> ring(4);
  for (const int bits : {0, -1, 33}) {
    EXPECT_THAT(ReduceToRing(RandomTotals(4), bits, ring, Device::kCpu),
                StatusIs(absl::StatusCode::kInvalidArgument, "1 to 32"));
  }
  EXPECT_THAT(ReduceToRing(RandomTotals(3), 32, ring, Device::kCpu),
              StatusIs(absl::StatusCode::kInvalidArgument, "4 ring words were given for 3"));
}

}  // namespace
}  // namespace hilum::kernels
