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

// The three bounds for an even k below n_members - 1:
//   shares        n1 * P[Hyp(n1 - 1, c, k) >= t] <= 2^log2_target
//   connectivity  n1 * C(n1 - k/2, c + u - k/2) / C(n1, c + u) <= 2^log2_target
//   correctness   n1 * P[Hyp(n1 - 1, u, k) >= k - t + 1] <= 2^-30
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
  uint16_t threshold() const { return parameters_.t; }
  // N(i), without i. `member` is of U1.
  Indices NeighboursOf(uint16_t member) const;
  // Who gets shares of i's secrets: in the complete graph all, i among them, else N(i).
  Indices HoldersOf(uint16_t member) const;
  // How many holders of `member` are in `set`.
  size_t HoldersIn(uint16_t member, const Indices& set) const;

 private:
  Indices members_;
  GraphParameters parameters_;
  std::vector<uint16_t> ring_;  // members by position; empty in the complete graph
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_GRAPH_H_
