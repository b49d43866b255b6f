#include "kernels/vector_sum.h"

#include "kernels/integer_sum.h"
#include "kernels/vector_sum_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Program = VectorSumProgram;
constexpr auto kRefused = absl::StatusCode::kInvalidArgument;

TEST(AddVectors, GivesTheReferencesBitsInEveryWay) {
  for (const uint32_t n_vectors : {1, 3, 4, 9}) {
    for (const int64_t n : SizesAround(Program::kTile)) {
      std::vector<Guarded<uint32_t>> vectors;
      for (uint32_t i = 0; i < n_vectors; ++i) vectors.emplace_back(RandomWords(n, i));
      std::vector<std::span<const uint32_t>> spans;
      std::vector<const uint32_t*> addresses;
      for (Guarded<uint32_t>& vector : vectors) {
        spans.push_back(vector.span());
        addresses.push_back(vector.span().data());
      }
      Guarded want(RandomTotals(n)), got_publicly(RandomTotals(n));
      AddVectorsReference(spans, want.span());
      ForEachWay([&](auto launch, const std::string& way) {
        Guarded got(RandomTotals(n));
        launch(Program{.vectors = addresses.data(),
                       .total = got.span().data(),
                       .n_vectors = n_vectors,
                       .n = n},
               n);
        EXPECT_EQ(got.values(), want.values()) << way << ", n = " << n;
        EXPECT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
      HILUM_EXPECT_OK(AddVectors(spans, got_publicly.span(), Device::kCpu));
      EXPECT_EQ(got_publicly.values(), want.values());
    }
  }
}

TEST(AddVectors, IsAddWordsOfEachVector) {
  const std::vector<uint32_t> largest(5000, 0xffffffff), other = RandomWords(5000);
  std::vector<uint64_t> one_pass(5000, 7), one_by_one(5000, 7);
  const std::vector<std::span<const uint32_t>> vectors = {largest, other, largest, largest,
                                                          largest};
  HILUM_EXPECT_OK(AddVectors(vectors, one_pass, Device::kCpu));
  for (const std::span<const uint32_t> vector : vectors) {
    HILUM_EXPECT_OK(AddWords(vector, one_by_one, Device::kCpu));
  }
  EXPECT_EQ(one_pass, one_by_one);
}

TEST(AddVectors, NamesTheVectorOfAnotherLength) {
  const std::vector<uint32_t> right(4), wrong(5);
  std::vector<uint64_t> total(4);
  const std::vector<std::span<const uint32_t>> vectors = {right, wrong};
  EXPECT_THAT(AddVectors(vectors, total, Device::kCpu),
              StatusIs(kRefused, "vector 1 has 5 words, the running sum 4"));
  EXPECT_THAT(AddVectors({}, total, Device::kCpu), StatusIs(kRefused, "0 vectors"));
  const std::vector<std::span<const uint32_t>> many(1025, right);
  EXPECT_THAT(AddVectors(many, total, Device::kCpu), StatusIs(kRefused, "1025 vectors"));
}

}  // namespace
}  // namespace hilum::kernels
