#include "privacy/secagg/graph.h"

#include <set>

#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

int RoundedHalfToEven(double value) { return static_cast<int>(std::nearbyint(value)); }

GraphCounts Counts(int n, int corrupt_percent, int drop_percent) {
  return {.n_members = n,
          .n_corrupt = RoundedHalfToEven(n * corrupt_percent / 100.0),
          .n_dropped = RoundedHalfToEven(n * drop_percent / 100.0)};
}

constexpr GraphParameters kComplete{};

// docs/secure_aggregation.md, section 4, first table: target 2^-40.
TEST(SmallestGraph, EqualsTheTableFor40Bits) {
  const std::pair<int, int> rates[] = {{5, 5}, {10, 10}, {20, 10}, {20, 20}, {30, 20}, {33, 33}};
  const std::pair<int, std::vector<GraphParameters>> rows[] = {
      {50, {{10, 3}, {22, 6}, {32, 11}, {42, 11}, kComplete, kComplete}},
      {100, {{22, 6}, {32, 11}, {42, 21}, {54, 21}, {68, 31}, kComplete}},
      {200, {{26, 11}, {38, 19}, {50, 31}, {68, 36}, {88, 52}, {128, 65}}},
      {500, {{30, 16}, {46, 25}, {66, 41}, {96, 50}, {132, 77}, {230, 118}}}};
  for (const auto& [n, row] : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const auto graph = SmallestGraph(Counts(n, rates[i].first, rates[i].second), -40);
      EXPECT_EQ(graph.value_or(kComplete), row[i])
          << n << " members, column " << i << ": got " << graph.value_or(kComplete).k << ", "
          << graph.value_or(kComplete).t;
    }
  }
}

// The second table: target 2^-43, 20 % corrupt, 20 % dropped.
TEST(SmallestGraph, EqualsTheTableFor43Bits) {
  const std::pair<int, GraphParameters> rows[] = {{128, {62, 27}}, {150, {64, 31}}, {200, {68, 36}},
                                                  {256, {78, 41}}, {300, {84, 44}}, {400, {92, 49}},
                                                  {500, {98, 52}}};
  for (const auto& [n, want] : rows) {
    const auto graph = SmallestGraph(Counts(n, 20, 20), kGraphLog2Target);
    EXPECT_EQ(graph.value_or(kComplete), want)
        << n << ": got " << graph.value_or(kComplete).k << ", " << graph.value_or(kComplete).t;
  }
}

TEST(SmallestGraph, HoldsAndNothingSmallerDoes) {
  const GraphCounts counts = Counts(200, 20, 20);
  EXPECT_TRUE(GraphBoundsHold(counts, {68, 36}, kGraphLog2Target));
  for (const GraphParameters below : {GraphParameters{68, 35},
                                      {66, 36},
                                      {67, 36},
                                      {68, 1},
                                      {2, 2},
                                      {198, 200},
                                      {0, 0},
                                      {68, 68}}) {
    EXPECT_FALSE(GraphBoundsHold(counts, below, kGraphLog2Target)) << below.k << " " << below.t;
  }
}

TEST(CheckGraph, ThresholdOneRefused) {
  const ContextPtr small = ContextOf(MaskedRound(6, 10));
  HILUM_EXPECT_OK(CheckGraph(*small, 6, {5, 5}));
  HILUM_EXPECT_OK(CheckGraph(*small, 5, {4, 4}));
  for (const GraphParameters graph : {GraphParameters{5, 1}, {5, 4}, {5, 0}, {4, 5}, {2, 2}}) {
    EXPECT_THAT(CheckGraph(*small, 6, graph),
                StatusIs(absl::StatusCode::kDataLoss, "is below the bounds"));
  }
  RoundConfig config = MaskedRound(200, 10);
  const ContextPtr large = ContextOf(config);
  HILUM_ASSERT_OK_AND_ASSIGN(const GraphParameters chosen, ChooseGraph(*large, 200));
  EXPECT_EQ(chosen, (GraphParameters{68, 36}));
  HILUM_EXPECT_OK(CheckGraph(*large, 200, chosen));
  HILUM_EXPECT_OK(CheckGraph(*large, 200, {199, 134}));  // complete is never worse
  for (const GraphParameters graph : {GraphParameters{68, 1}, {68, 35}, {40, 36}, {199, 1}}) {
    EXPECT_FALSE(CheckGraph(*large, 200, graph).ok());
  }
}

TEST(Graph, IsRegularSymmetricAndFollowsTheSeed) {
  Indices members;
  for (uint16_t i = 0; i < 40; ++i) {
    if (i != 7) members.push_back(i);
  }
  const Graph graph(members, {.k = 6, .t = 3}, Digest{1});
  const Graph same(members, {.k = 6, .t = 3}, Digest{1});
  const Graph other(members, {.k = 6, .t = 3}, Digest{2});
  bool differs = false;
  for (const uint16_t member : members) {
    const Indices neighbours = graph.NeighboursOf(member);
    EXPECT_EQ(neighbours.size(), 6u);
    EXPECT_FALSE(Holds(neighbours, member));
    EXPECT_EQ(graph.HoldersOf(member), neighbours);
    EXPECT_EQ(same.NeighboursOf(member), neighbours);
    differs = differs || other.NeighboursOf(member) != neighbours;
    for (const uint16_t neighbour : neighbours) {
      EXPECT_TRUE(Holds(graph.NeighboursOf(neighbour), member));
    }
  }
  EXPECT_TRUE(differs);
}

TEST(Graph, InTheCompleteGraphASiteHoldsItsOwnShare) {
  const Graph graph({0, 2, 5}, {.k = 2, .t = 3}, Digest{});
  EXPECT_TRUE(graph.complete());
  EXPECT_EQ(graph.NeighboursOf(2), (Indices{0, 5}));
  EXPECT_EQ(graph.HoldersOf(2), (Indices{0, 2, 5}));
  EXPECT_EQ(graph.HoldersIn(2, {2, 3, 5}), 2u);
}

}  // namespace
}  // namespace hilum::privacy::secagg
