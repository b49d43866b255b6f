#include "privacy/secagg/graph.h"

#include <numeric>
#include <set>

#include "crypto/random.h"
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

// Target 2^-40, by an exact search with Python's fractions.
TEST(SmallestGraph, EqualsTheTableFor40Bits) {
  const std::pair<int, int> rates[] = {{5, 5}, {10, 10}, {20, 10}, {20, 20}, {30, 20}, {33, 33}};
  const std::pair<int, std::vector<GraphParameters>> rows[] = {
      {50, {{10, 3}, {22, 6}, {32, 11}, {42, 11}, kComplete, kComplete}},
      {100, {{22, 6}, {42, 11}, {62, 21}, {82, 21}, kComplete, kComplete}},
      {200, {{42, 11}, {70, 21}, {98, 40}, {134, 41}, {174, 61}, kComplete}},
      {500, {{58, 20}, {92, 34}, {130, 60}, {190, 74}, {264, 120}, {456, 166}}}};
  for (const auto& [n, row] : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const auto graph = SmallestGraph(Counts(n, rates[i].first, rates[i].second), -40);
      EXPECT_EQ(graph.value_or(kComplete), row[i])
          << n << " members, column " << i << ": got " << graph.value_or(kComplete).k << ", "
          << graph.value_or(kComplete).t;
    }
  }
}

// docs/secure_aggregation.md, section 4: target 2^-43, 20 % corrupt, 20 % dropped.
TEST(SmallestGraph, EqualsTheTableFor43Bits) {
  struct Row {
    int n;
    GraphParameters graph;
    int minimum;
  };
  const Row rows[] = {{128, {104, 27}, 27}, {150, {114, 31}, 30}, {200, {136, 41}, 36},
                      {256, {152, 52}, 40}, {300, {162, 59}, 43}, {400, {182, 69}, 48},
                      {500, {194, 75}, 51}, {1000, {226, 92}, 60}};
  for (const Row& row : rows) {
    const GraphCounts counts = Counts(row.n, 20, 20);
    const auto graph = SmallestGraph(counts, kGraphLog2Target).value_or(kComplete);
    EXPECT_EQ(graph, row.graph) << row.n << ": got " << graph.k << ", " << graph.t;
    EXPECT_EQ(RunMinimum(counts, row.graph.k, kGraphLog2Target), row.minimum) << row.n;
  }
}

TEST(RunMinimum, IsOneMoreThanColludersCanBe) {
  const auto minimum = [](int n_corrupt, int k) {
    return RunMinimum({.n_members = 120, .n_corrupt = n_corrupt, .n_dropped = 0}, k,
                      kGraphLog2Target);
  };
  EXPECT_EQ(minimum(0, 20), 1);
  EXPECT_EQ(minimum(3, 20), 4);     // all of them may lie in one run
  EXPECT_EQ(minimum(119, 20), 11);  // more than a run holds: no such graph
}

TEST(SmallestGraph, HoldsAndNothingSmallerDoes) {
  const GraphCounts counts = Counts(200, 20, 20);
  EXPECT_TRUE(GraphBoundsHold(counts, {136, 41}, kGraphLog2Target));
  for (const GraphParameters below : {GraphParameters{136, 40},
                                      {134, 41},
                                      {135, 41},
                                      {136, 1},
                                      {68, 36},  // enough against drop-outs by accident
                                      {2, 2},
                                      {198, 200},
                                      {0, 0},
                                      {136, 136}}) {
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
  EXPECT_EQ(chosen, (GraphParameters{136, 41}));
  HILUM_EXPECT_OK(CheckGraph(*large, 200, chosen));
  HILUM_EXPECT_OK(CheckGraph(*large, 200, {199, 134}));  // complete is never worse
  for (const GraphParameters graph : {GraphParameters{136, 1}, {136, 40}, {68, 36}, {199, 1}}) {
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
  EXPECT_EQ(graph.FewestInARun({2, 5}), 2u);
}

TEST(Graph, CountsTheRunsRoundTheRing) {
  Indices members(10);
  std::iota(members.begin(), members.end(), uint16_t{0});
  const Graph graph(members, {.k = 6, .t = 3}, Digest{5});
  const Indices ring = RingOf(members, Digest{5});
  EXPECT_EQ(graph.FewestInARun(members), 3u);
  EXPECT_EQ(graph.FewestInARun({}), 0u);
  const auto without = [&](std::initializer_list<size_t> positions) {
    Indices rest = members;
    for (const size_t position : positions) std::erase(rest, ring[position]);
    return rest;
  };
  EXPECT_EQ(graph.FewestInARun(without({4})), 2u);
  EXPECT_EQ(graph.FewestInARun(without({4, 6})), 1u);
  EXPECT_EQ(graph.FewestInARun(without({4, 7})), 2u);
  EXPECT_EQ(graph.FewestInARun(without({9, 0, 1})), 0u);  // over the end
}

// The honest members of U3 as the masks join them: how many parts.
int PartsOf(const Graph& graph, const Indices& honest) {
  Indices left = honest;
  int parts = 0;
  for (; !left.empty(); ++parts) {
    Indices todo = {left.back()};
    left.pop_back();
    while (!todo.empty()) {
      const uint16_t at = todo.back();
      todo.pop_back();
      for (const uint16_t neighbour : graph.NeighboursOf(at)) {
        if (Holds(left, neighbour)) {
          std::erase(left, neighbour);
          todo.push_back(neighbour);
        }
      }
    }
  }
  return parts;
}

// A server with c_max colluders that knows the ring and ignores whom it likes.
struct Attack {
  ContextPtr context;
  Graph graph;
  Indices ring;
  std::set<uint16_t> corrupt;

  // The two runs that have the fewest honest members and leave a part of the ring on either side.
  std::pair<size_t, size_t> WeakestRuns() const {
    const size_t n = ring.size(), length = graph.k() / size_t{2}, step = length + length / 2;
    std::vector<size_t> n_honest(n, 0);
    for (size_t first = 0; first < n; ++first) {
      for (size_t d = 0; d < length; ++d) n_honest[first] += 1 - corrupt.count(At(first + d));
    }
    std::pair<size_t, size_t> best = {0, step};
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = a + step; b < n && b + step < a + n; ++b) {
        if (n_honest[a] + n_honest[b] < n_honest[best.first] + n_honest[best.second]) best = {a, b};
      }
    }
    return best;
  }
  // U1 without the honest members of a run beyond the first `n_kept`.
  void Ignore(size_t first, size_t n_kept, Indices& u3) const {
    for (size_t d = 0; d < graph.k() / size_t{2}; ++d) {
      const uint16_t member = At(first + d);
      if (corrupt.count(member) != 0) continue;
      if (n_kept > 0) {
        --n_kept;
      } else {
        std::erase(u3, member);
      }
    }
  }
  Indices Honest(Indices u3) const {
    std::erase_if(u3, [this](uint16_t member) { return corrupt.count(member) != 0; });
    return u3;
  }
  uint16_t At(size_t position) const { return ring[position % ring.size()]; }
};

Attack AttackOn(const ContextPtr& context, const GraphParameters& parameters, uint8_t seed) {
  Indices members(context->n());
  std::iota(members.begin(), members.end(), uint16_t{0});
  Attack attack{.context = context,
                .graph = Graph(members, parameters, Digest{seed}),
                .ring = RingOf(members, Digest{seed}),
                .corrupt = {}};
  // The ring is shuffled, so the first members are anywhere on it.
  for (uint16_t i = 0; i < context->config().c_max; ++i) attack.corrupt.insert(i);
  return attack;
}

// 500 members: two runs can be ignored and U3 still has max(Q, u_min) members, with the graph that
// drop-outs by accident ask for and with today's.
TEST(CheckRuns, DropOutsThatCutTheRingAreRefused) {
  const ContextPtr context = ContextOf(MaskedRound(500, 10));
  for (const GraphParameters parameters : {GraphParameters{98, 52}, {194, 75}}) {
    for (uint8_t seed = 1; seed <= 5; ++seed) {
      const Attack attack = AttackOn(context, parameters, seed);
      const auto [first, second] = attack.WeakestRuns();
      Indices u3 = attack.graph.members();
      attack.Ignore(first, 0, u3);
      attack.Ignore(second, 0, u3);
      ASSERT_GE(u3.size(), context->min_count());
      ASSERT_EQ(PartsOf(attack.graph, attack.Honest(u3)), 2);
      EXPECT_THAT(CheckRuns(*context, attack.graph, u3),
                  StatusIs(absl::StatusCode::kDataLoss, "neighbours on the ring"));
    }
  }
}

TEST(CheckRuns, WhatPassesIsInOnePart) {
  const ContextPtr context = ContextOf(MaskedRound(500, 10));
  for (uint8_t seed = 1; seed <= 5; ++seed) {
    const Attack attack = AttackOn(context, {194, 75}, seed);
    const auto [first, second] = attack.WeakestRuns();
    bool passed_before = false;
    for (size_t n_kept = 0; n_kept <= 100; n_kept += 4) {  // honest members in each of the runs
      Indices u3 = attack.graph.members();
      attack.Ignore(first, n_kept, u3);
      attack.Ignore(second, n_kept, u3);
      const bool passes = CheckRuns(*context, attack.graph, u3).ok();
      EXPECT_GE(passes, passed_before);
      EXPECT_EQ(passes, attack.graph.FewestInARun(u3) >= 51);
      if (passes) {
        EXPECT_EQ(PartsOf(attack.graph, attack.Honest(u3)), 1) << n_kept;
      }
      passed_before = passes;
    }
    EXPECT_TRUE(passed_before);
  }
}

// A fifth drops out by accident: no round is lost for it.
TEST(CheckRuns, DropOutsByAccidentPass) {
  const std::pair<uint16_t, GraphParameters> rows[] = {
      {uint16_t{128}, {104, 27}}, {uint16_t{200}, {136, 41}}, {uint16_t{500}, {194, 75}}};
  for (const auto& [n, parameters] : rows) {
    const ContextPtr context = ContextOf(MaskedRound(n, 10));
    for (uint8_t seed = 1; seed <= 20; ++seed) {
      const Attack attack = AttackOn(context, parameters, seed);
      Indices u3 = attack.graph.members();
      u3.erase(u3.begin(), u3.begin() + context->config().drop_max);  // anywhere on the ring
      HILUM_EXPECT_OK(CheckRuns(*context, attack.graph, u3));
    }
  }
}

}  // namespace
}  // namespace hilum::privacy::secagg
