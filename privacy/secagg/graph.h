// Who shares masks with whom, and how many shares open a secret (docs/secure_aggregation.md,
// section 4): the complete graph of Bonawitz et al. 2017 up to 100 members, the k-regular graph of
// Bell et al. 2020 above.
#ifndef HILUM_PRIVACY_SECAGG_GRAPH_H_
#define HILUM_PRIVACY_SECAGG_GRAPH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "privacy/secagg/context.h"

namespace hilum::privacy::secagg {

// |U1|, how many of it are assumed corrupt, and how many may still drop out.
struct GraphCounts {
  int n_members = 0;
  int n_corrupt = 0;
  int n_dropped = 0;
};
GraphCounts CountsOf(const Context& context, size_t n_members);

struct GraphParameters {
  uint16_t k = 0;  // neighbours of each member
  uint16_t t = 0;  // shares that open a secret
  friend bool operator==(const GraphParameters&, const GraphParameters&) = default;
};

// A run: k / 2 neighbouring positions of the ring. Two honest members of U3 that follow one another
// on the ring without a run of others between them share a mask; so where every run has an honest
// member in U3, no drop-outs, whoever chooses them, can cut the honest ones into parts with sums of
// their own. Each site demands it in U3 (CheckRuns): RunMinimum members of every run.
//
// The smallest m with n1 * P[Hyp(n1, c, k / 2) >= m] <= 2^log2_target: that some run has m corrupt
// members. At most k / 2 + 1, which no run holds. `k` even, 2 to n_members - 1.
uint16_t RunMinimum(const GraphCounts& counts, int k, int log2_target);

// The four bounds for an even k below n_members - 1, with h = k / 2 and m = RunMinimum:
//   shares            n1 * P[Hyp(n1 - 1, c, k) >= t] <= 2^log2_target
//   runs              m <= h
//   shares that open  n1 * P[Hyp(n1 - 1, u, k) >= k - t + 1] <= 2^-30
//   runs that stay    n1 * P[Hyp(n1, u, h) >= h - m + 1] <= 2^-30
// The last two are about drop-outs by accident, and cost a round; the first two are about secrets.
inline constexpr int kGraphLog2Target = -43;  // an attempt; 8 attempts give 2^-40 a round
bool GraphBoundsHold(const GraphCounts& counts, const GraphParameters& graph, int log2_target);

// The smallest even k and then the smallest t for which they hold; none: take the complete graph.
std::optional<GraphParameters> SmallestGraph(const GraphCounts& counts, int log2_target);

// The server's choice once U1 is known: the complete graph with t = floor(2 n1 / 3) + 1 where the
// roster has at most kCompleteGraphMax members or no even k fits, else SmallestGraph.
// FailedPrecondition: t would not be above c_max.
absl::StatusOr<GraphParameters> ChooseGraph(const Context& context, size_t n_members);

// A site's judgement of that choice. DataLoss: the graph is neither complete with its t above
// c_max, nor regular within the bounds.
absl::Status CheckGraph(const Context& context, size_t n_members, const GraphParameters& graph);

// The graph over U1. Immutable.
class Graph {
 public:
  // Regular: a ring under a Fisher-Yates permutation of U1, drawn from ChaCha20 under `seed` (from
  // the last position down, each index by rejection from 8 bytes); neighbours are those at ring
  // distance at most k / 2. Complete when k = |U1| - 1.
  Graph(Indices members, const GraphParameters& parameters, const Digest& seed);

  const Indices& members() const { return members_; }
  bool complete() const { return parameters_.k + size_t{1} == members_.size(); }
  uint16_t k() const { return parameters_.k; }
  uint16_t threshold() const { return parameters_.t; }
  // N(i), without i. `member` is of U1.
  Indices NeighboursOf(uint16_t member) const;
  // Who gets shares of i's secrets: in the complete graph all, i among them, else N(i).
  Indices HoldersOf(uint16_t member) const;
  // How many holders of `member` are in `set`.
  size_t HoldersIn(uint16_t member, const Indices& set) const;
  // Of all runs, the fewest members in `set`. The complete graph has no runs: all of `set`.
  size_t FewestInARun(const Indices& set) const;

 private:
  Indices members_;
  GraphParameters parameters_;
  std::vector<uint16_t> ring_;  // members by position; empty in the complete graph
};

// A site's judgement of U3, and an auditor's. DataLoss: a run of the graph has fewer members in it
// than RunMinimum, so colluders might hold two runs alone and have the honest rest summed in parts.
absl::Status CheckRuns(const Context& context, const Graph& graph, const Indices& u3);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_GRAPH_H_
