#include "kernels/tag_polynomial.h"

#include <fstream>
#include <sstream>

#include "base/seeded_random.h"
#include "kernels/tag_lanes.h"
#include "kernels/tag_program.h"
#include "kernels/tag_table.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr TagValues kPoints = {0x123456789abcdefull, kTagPrime - 1, 77};

// Runs the program of one lane type over words, and joins its tiles.
template <class Lanes, Order kOrder>
TagValues RunTags(std::span<const uint32_t> words, const TagValues& points, int words_per_coord,
                  Isa isa) {
  using Program = TagProgram<Lanes>;
  const TagTable table = TagTable::For(points, Program::kRows, Program::kColumns, words_per_coord);
  const int64_t n = static_cast<int64_t>(words.size());
  const int64_t n_tiles = BlocksFor(n, Program::kTile);
  std::vector<uint64_t> partial(static_cast<size_t>(n_tiles) * kTagPoints);
  Launch<kOrder>(Program{.words = words.data(),
                         .n = n,
                         .rows = table.rows.data(),
                         .columns = table.columns.data(),
                         .partial = partial.data()},
                 n_tiles, isa);
  return JoinTiles(partial, table.tile);
}

// Calls run(name, f) for each lane type and thread order; f takes words, points, words_per_coord.
template <class Run>
void ForEachTagWay(Run run) {
  constexpr Order kForward = Order::kForward, kReverse = Order::kReverse;
  const auto one = [&](const char* name, auto forward, auto reverse, Isa isa) {
    if (isa > BestIsa()) return;
    run(std::string(name) + ", forward", [=](auto... a) { return forward(a..., isa); });
    run(std::string(name) + ", reverse", [=](auto... a) { return reverse(a..., isa); });
  };
  one("one lane", &RunTags<uint64_t, kForward>, &RunTags<uint64_t, kReverse>, Isa::kScalar);
#if defined(__x86_64__)
  one("sse2", &RunTags<TagLanes2, kForward>, &RunTags<TagLanes2, kReverse>, Isa::kScalar);
  one("avx2", &RunTags<TagLanes4, kForward>, &RunTags<TagLanes4, kReverse>, Isa::kAvx2);
  one("avx512", &RunTags<TagLanes16, kForward>, &RunTags<TagLanes16, kReverse>, Isa::kAvx512);
#endif
}

TEST(EvaluateTags, EqualsTheVectorsOfPythonsIntegers) {
  std::ifstream file(std::string(HILUM_SOURCE_DIR) + "/tests/vectors/kernels/tags.txt");
  int n_lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string kind;
    uint64_t seed = 0, n = 0;
    TagValues points, want;
    fields >> kind >> seed >> n;
    for (uint64_t& point : points) fields >> point;
    for (uint64_t& value : want) fields >> value;
    SeededRandom random(seed);
    std::vector<uint64_t> sums;
    std::vector<uint32_t> words;
    for (uint64_t j = 0; j < n; ++j) {
      const uint64_t output = random.Next();
      words.push_back(static_cast<uint32_t>(output >> 32));
      sums.push_back(output >> 16);
    }
    const bool of_words = kind == "words";
    EXPECT_EQ(of_words ? EvaluateTagsReference(words, points) : EvaluateTagsReference(sums, points),
              want)
        << line;
    HILUM_ASSERT_OK_AND_ASSIGN(const TagValues got, of_words
                                                        ? EvaluateTags(words, points, Device::kCpu)
                                                        : EvaluateTags(sums, points, Device::kCpu));
    EXPECT_EQ(got, want) << line;
    ++n_lines;
  }
  EXPECT_EQ(n_lines, 14);
}

TEST(EvaluateTags, GivesTheReferencesBitsInEveryWay) {
  for (const int64_t tile : {int64_t{TagProgram<uint64_t>::kTile}, int64_t{4096}}) {
    for (const int64_t n : SizesAround(tile)) {
      Guarded words(RandomWords(n));
      const TagValues want = EvaluateTagsReference(words.span(), kPoints);
      ForEachTagWay([&](const std::string& way, auto run) {
        EXPECT_EQ(run(std::span<const uint32_t>(words.span()), kPoints, 1), want)
            << way << ", n = " << n;
      });
      HILUM_ASSERT_OK_AND_ASSIGN(const TagValues got,
                                 EvaluateTags(words.span(), kPoints, Device::kCpu));
      EXPECT_EQ(got, want) << n;
    }
  }
}

TEST(EvaluateTags, OfSumsGivesTheReferencesBitsInEveryWay) {
  for (const int64_t n : SizesAround(2048)) {
    const std::vector<uint64_t> sums = RandomTotals(n);
    const TagValues want = EvaluateTagsReference(sums, kPoints);
    const std::span<const uint32_t> words(reinterpret_cast<const uint32_t*>(sums.data()),
                                          2 * sums.size());
    ForEachTagWay([&](const std::string& way, auto run) {
      EXPECT_EQ(run(words, kPoints, 2), want) << way << ", n = " << n;
    });
  }
}

// The largest words and limbs in every place: the limb sums come as near to 2^64 as they can.
TEST(EvaluateTags, TheLargestWordsDoNotOverflow) {
  const std::vector<uint32_t> words(40'000, 0xffffffff);
  for (const TagValues& points :
       {TagValues{1, kTagPrime - 1, 2}, TagValues{0, (uint64_t{1} << 60) - 1, kTagPrime - 2}}) {
    const TagValues want = EvaluateTagsReference(words, points);
    ForEachTagWay([&](const std::string& way, auto run) {
      EXPECT_EQ(run(std::span<const uint32_t>(words), points, 1), want) << way;
    });
  }
  // Rows of nothing but the largest limbs, which no power reaches.
  TagTable table =
      TagTable::For({1, 1, 1}, TagProgram<uint64_t>::kRows, TagProgram<uint64_t>::kColumns, 1);
  for (uint64_t& limb : table.rows) limb = (uint64_t{1} << kTagLimbBits) - 1;
  std::vector<uint64_t> partial(kTagPoints);
  using Program = TagProgram<uint64_t>;
  Launch(Program{.words = words.data(),
                 .n = Program::kTile,
                 .rows = table.rows.data(),
                 .columns = table.columns.data(),
                 .partial = partial.data()},
         1);
  unsigned __int128 limbs = (static_cast<unsigned __int128>(1) << 63) - 1;
  limbs = limbs * 0xffffffffu % kTagPrime * static_cast<uint64_t>(Program::kTile) % kTagPrime;
  EXPECT_EQ(partial[0], static_cast<uint64_t>(limbs));
}

// What the protocol checks: the tags of the sites add up to the tag of the sum.
TEST(EvaluateTags, TagsOfTheSitesAddUpToTheTagOfTheSum) {
  const int64_t n = 10'007;
  std::vector<uint64_t> sum(static_cast<size_t>(n), 0);
  TagValues added{};
  for (uint32_t site = 0; site < 9; ++site) {
    const std::vector<uint32_t> words = RandomWords(n, site);
    HILUM_ASSERT_OK_AND_ASSIGN(const TagValues tags, EvaluateTags(words, kPoints, Device::kCpu));
    for (size_t m = 0; m < kTagPoints; ++m) added[m] = TagAdd(added[m], tags[m]);
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += words[j];
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const TagValues of_sum, EvaluateTags(sum, kPoints, Device::kCpu));
  EXPECT_EQ(of_sum, added);
  ++sum[5000];
  HILUM_ASSERT_OK_AND_ASSIGN(const TagValues of_other, EvaluateTags(sum, kPoints, Device::kCpu));
  for (size_t m = 0; m < kTagPoints; ++m) EXPECT_NE(of_other[m], added[m]);
}

TEST(EvaluateTags, RefusesAPointThatIsNotBelowThePrime) {
  const std::vector<uint32_t> words = RandomWords(3);
  for (const uint64_t point : {kTagPrime, kTagPrime + 1, ~uint64_t{0}}) {
    EXPECT_THAT(EvaluateTags(words, {1, 2, point}, Device::kCpu),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not below p = "));
    EXPECT_THAT(TagStream::Create({1, point, 3}),
                StatusIs(absl::StatusCode::kInvalidArgument, std::to_string(point)));
  }
}

TEST(TagStream, AnyCutGivesTheTagsOfTheWhole) {
  const std::vector<uint64_t> sums = RandomTotals(30'000);
  HILUM_ASSERT_OK_AND_ASSIGN(TagStream stream, TagStream::Create(kPoints));
  EXPECT_EQ(stream.value(), TagValues{});
  size_t length = 0;
  for (size_t at = 0; at < sums.size(); length = length * 2 + 1) {
    const size_t n = std::min(length, sums.size() - at);
    HILUM_ASSERT_OK(stream.Add(std::span(sums).subspan(at, n), Device::kCpu));
    at += n;
  }
  EXPECT_EQ(stream.value(), EvaluateTagsReference(sums, kPoints));
}

TEST(TagStream, OfWordsEqualsTheReference) {
  const std::vector<uint32_t> words = RandomWords(9000);
  HILUM_ASSERT_OK_AND_ASSIGN(TagStream stream, TagStream::Create(kPoints));
  for (size_t at = 0; at < words.size(); at += 4500) {
    HILUM_ASSERT_OK(stream.Add(std::span(words).subspan(at, 4500), Device::kCpu));
  }
  EXPECT_EQ(stream.value(), EvaluateTagsReference(words, kPoints));
}

TEST(TagMultiply, IsExactAtTheEdges) {
  constexpr uint64_t p = kTagPrime;
  EXPECT_EQ(TagMultiply(p - 1, p - 1), 1u);
  EXPECT_EQ(TagMultiply(p - 1, 2), p - 2);
  EXPECT_EQ(TagMultiply(uint64_t{1} << 60, 2), 1u);
  EXPECT_EQ(TagMultiply(0, p - 1), 0u);
  EXPECT_EQ(TagAdd(p - 1, 1), 0u);
  EXPECT_EQ(TagAdd(p - 1, p - 1), p - 2);
  EXPECT_EQ(TagPower(3, p - 1), 1u);  // Fermat
}

}  // namespace
}  // namespace hilum::kernels
