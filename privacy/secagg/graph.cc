#include "privacy/secagg/graph.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "crypto/random.h"

namespace hilum::privacy::secagg {
namespace {

constexpr int kAccidentLog2Target = -30;

// log2 of n!, n up to the largest roster.
const std::vector<double>& LogFactorials() {
  static const auto* table = [] {
    auto* values = new std::vector<double>(kMaxRoster + 1, 0.0);
    for (size_t i = 2; i < values->size(); ++i) {
      (*values)[i] = (*values)[i - 1] + std::log2(static_cast<double>(i));
    }
    return values;
  }();
  return *table;
}

double Log2Choose(int n, int k) {
  HILUM_CHECK(n >= 0 && n <= static_cast<int>(kMaxRoster) && k >= 0 && k <= n);
  const std::vector<double>& f = LogFactorials();
  return f[static_cast<size_t>(n)] - f[static_cast<size_t>(k)] - f[static_cast<size_t>(n - k)];
}

struct Draw {
  int n_items, n_marked, n_drawn;
};

// P[at least `at_least` of the drawn items are marked].
double Tail(const Draw& draw, int at_least) {
  const int n_plain = draw.n_items - draw.n_marked;
  const double all = Log2Choose(draw.n_items, draw.n_drawn);
  double sum = 0.0;
  for (int x = std::min(draw.n_marked, draw.n_drawn);
       x >= std::max({at_least, draw.n_drawn - n_plain, 0}); --x) {
    sum += std::exp2(Log2Choose(draw.n_marked, x) + Log2Choose(n_plain, draw.n_drawn - x) - all);
  }
  return sum;
}

bool SharesHold(const GraphCounts& c, const GraphParameters& g, int log2_target) {
  const Draw draw{.n_items = c.n_members - 1, .n_marked = c.n_corrupt, .n_drawn = g.k};
  return c.n_members * Tail(draw, g.t) <= std::exp2(log2_target);
}

bool SharesOpen(const GraphCounts& c, const GraphParameters& g) {
  const Draw draw{.n_items = c.n_members - 1, .n_marked = c.n_dropped, .n_drawn = g.k};
  return c.n_members * Tail(draw, g.k - g.t + 1) <= std::exp2(kAccidentLog2Target);
}

bool RunsStay(const GraphCounts& c, const GraphParameters& g, int log2_target) {
  const int length = g.k / 2, minimum = RunMinimum(c, g.k, log2_target);
  const Draw draw{.n_items = c.n_members, .n_marked = c.n_dropped, .n_drawn = length};
  return minimum <= length &&
         c.n_members * Tail(draw, length - minimum + 1) <= std::exp2(kAccidentLog2Target);
}

bool CountsMakeSense(const GraphCounts& c) {
  return c.n_members >= 3 && c.n_members <= static_cast<int>(kMaxRoster) && c.n_corrupt >= 0 &&
         c.n_dropped >= 0 && c.n_corrupt < c.n_members && c.n_dropped < c.n_members;
}

GraphParameters CompleteGraph(size_t n_members) {
  return {.k = static_cast<uint16_t>(n_members - 1),
          .t = static_cast<uint16_t>(2 * n_members / 3 + 1)};
}

}  // namespace

GraphCounts CountsOf(const Context& context, size_t n_members) {
  const int missing = context.n() - static_cast<int>(n_members);
  return {.n_members = static_cast<int>(n_members),
          .n_corrupt = context.config().c_max,
          .n_dropped = std::max(0, context.config().drop_max - missing)};
}

// Sums the tail from its far end, until one more term would be too much.
uint16_t RunMinimum(const GraphCounts& counts, int k, int log2_target) {
  const int length = k / 2, n_honest = counts.n_members - counts.n_corrupt;
  const double all = Log2Choose(counts.n_members, length);
  int minimum = std::min(counts.n_corrupt, length) + 1;
  for (double sum = 0.0; minimum > 0; --minimum) {
    const int x = minimum - 1;
    if (length - x > n_honest) break;  // no run has so few corrupt members
    sum += std::exp2(Log2Choose(counts.n_corrupt, x) + Log2Choose(n_honest, length - x) - all);
    if (counts.n_members * sum > std::exp2(log2_target)) break;
  }
  return static_cast<uint16_t>(minimum);
}

bool GraphBoundsHold(const GraphCounts& counts, const GraphParameters& graph, int log2_target) {
  return CountsMakeSense(counts) && graph.k % 2 == 0 && graph.k >= 2 &&
         graph.k < counts.n_members - 1 && graph.t >= 2 && graph.t <= graph.k &&
         SharesHold(counts, graph, log2_target) && SharesOpen(counts, graph) &&
         RunsStay(counts, graph, log2_target);
}

// A larger t opens less often, so for each k the smallest t that keeps the shares is tried.
std::optional<GraphParameters> SmallestGraph(const GraphCounts& counts, int log2_target) {
  if (!CountsMakeSense(counts)) return std::nullopt;
  for (int k = 2; k < counts.n_members - 1; k += 2) {
    GraphParameters graph{.k = static_cast<uint16_t>(k), .t = 2};
    if (!RunsStay(counts, graph, log2_target)) continue;
    while (graph.t <= graph.k && !SharesHold(counts, graph, log2_target)) ++graph.t;
    if (GraphBoundsHold(counts, graph, log2_target)) return graph;
  }
  return std::nullopt;
}

absl::StatusOr<GraphParameters> ChooseGraph(const Context& context, size_t n_members) {
  if (context.n() > kCompleteGraphMax) {
    const auto graph = SmallestGraph(CountsOf(context, n_members), kGraphLog2Target);
    if (graph.has_value()) return *graph;
  }
  const GraphParameters graph = CompleteGraph(n_members);
  if (graph.t > context.config().c_max) return graph;
  return absl::FailedPreconditionError(absl::StrCat(n_members, " members have a threshold of ",
                                                    graph.t, ", which ", context.config().c_max,
                                                    " colluders reach"));
}

absl::Status CheckGraph(const Context& context, size_t n_members, const GraphParameters& graph) {
  const bool complete = graph == CompleteGraph(n_members) && graph.t > context.config().c_max;
  const bool regular = context.n() > kCompleteGraphMax &&
                       GraphBoundsHold(CountsOf(context, n_members), graph, kGraphLog2Target);
  if (complete || regular) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a graph of ", n_members, " members with k = ", graph.k,
                                          " and t = ", graph.t, " is below the bounds"));
}

Graph::Graph(Indices members, const GraphParameters& parameters, const Digest& seed)
    : members_(std::move(members)), parameters_(parameters) {
  if (complete()) return;
  ring_ = members_;
  crypto::SeededStream stream(seed);
  for (size_t last = ring_.size() - 1; last > 0; --last) {
    std::swap(ring_[last], ring_[static_cast<size_t>(stream.Below(last + 1))]);
  }
}

Indices Graph::NeighboursOf(uint16_t member) const {
  Indices neighbours;
  if (complete()) {
    for (const uint16_t other : members_) {
      if (other != member) neighbours.push_back(other);
    }
    return neighbours;
  }
  const auto found = std::find(ring_.begin(), ring_.end(), member);
  HILUM_CHECK(found != ring_.end());
  const auto position = static_cast<size_t>(found - ring_.begin());
  const size_t n = ring_.size();
  for (size_t distance = 1; distance <= parameters_.k / size_t{2}; ++distance) {
    neighbours.push_back(ring_[(position + distance) % n]);
    neighbours.push_back(ring_[(position + n - distance) % n]);
  }
  std::sort(neighbours.begin(), neighbours.end());
  return neighbours;
}

Indices Graph::HoldersOf(uint16_t member) const {
  return complete() ? members_ : NeighboursOf(member);
}

size_t Graph::HoldersIn(uint16_t member, const Indices& set) const {
  const Indices holders = HoldersOf(member);
  return static_cast<size_t>(std::count_if(holders.begin(), holders.end(),
                                           [&](uint16_t holder) { return Holds(set, holder); }));
}

size_t Graph::FewestInARun(const Indices& set) const {
  if (complete()) return set.size();
  const size_t n = ring_.size(), length = parameters_.k / size_t{2};
  size_t count = 0;  // of the run that ends at `last`
  size_t fewest = length;
  for (size_t last = 0; last < n + length; ++last) {
    count += Holds(set, ring_[last % n]) ? 1 : 0;
    if (last >= length) count -= Holds(set, ring_[last - length]) ? 1 : 0;
    if (last + 1 >= length) fewest = std::min(fewest, count);
  }
  return fewest;
}

absl::Status CheckRuns(const Context& context, const Graph& graph, const Indices& u3) {
  if (graph.complete()) return absl::OkStatus();
  const size_t fewest = graph.FewestInARun(u3);
  const GraphCounts counts = CountsOf(context, graph.members().size());
  const uint16_t minimum = RunMinimum(counts, graph.k(), kGraphLog2Target);
  if (fewest >= minimum) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("of ", graph.k() / 2, " neighbours on the ring ", fewest,
                                          " sent vectors, ", minimum, " are needed, or drop-outs ",
                                          "could cut the sum into parts"));
}

}  // namespace hilum::privacy::secagg
