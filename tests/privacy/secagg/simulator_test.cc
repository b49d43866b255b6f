// 1,000 seeded rounds with faults, in four parts. Each is exact or fails closed with a reason; a
// failure prints its seed and its faults. HILUM_SECAGG_SEED=N runs one seed alone.
#include <cstdlib>
#include <sstream>

#include "tests/privacy/secagg/simulation.h"

namespace hilum::privacy::secagg {
namespace {

constexpr uint64_t kSeedsPerPart = 250;

struct Tally {
  int n_open = 0, n_closed = 0, n_void = 0, n_faults = 0;
};

// Mostly small federations: a round costs n^2 signatures and n^2 t multiplications in the group.
uint16_t DrawSize(SeededRandom& random) {
  constexpr uint16_t kSizes[] = {3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 6, 6, 6, 6, 7};
  const uint64_t kind = random.Below(std::size(kSizes) + 1);
  return kind < std::size(kSizes) ? kSizes[kind] : static_cast<uint16_t>(7 + random.Below(6));
}

RoundConfig DrawConfig(SeededRandom& random) {
  const uint16_t n = DrawSize(random);
  RoundConfig config = MaskedRound(n, 100 + random.Below(300));
  config.suite = random.Below(2) == 0 ? Suite::kAes256Ctr : Suite::kChaCha20;
  config.ring_bits = static_cast<uint8_t>(27 + random.Below(6));
  config.value_bits = static_cast<uint8_t>(MaxValueBits(config.ring_bits, n));
  config.scale = ScaleOf(config.range, config.value_bits);
  if (random.Below(8) == 0) config.share_proof = ShareProof::kNone;
  return config;
}

Flight FlightOf(Fault fault, SeededRandom& random) {
  switch (fault) {
    case Fault::kDownChanged:
      return static_cast<Flight>(1 + random.Below(kFlights - 1));
    case Fault::kBadShares:
      return kShare;
    case Fault::kFalseComplaint:
    case Fault::kUndecidable:
      return kAcknowledge;
    case Fault::kHalfVector:
    case Fault::kChunkChanged:
      return kVector;
    case Fault::kBadAnswer:
      return kAnswer;
    default:
      return static_cast<Flight>(random.Below(kFlights));
  }
}

std::vector<Planned> DrawPlan(const RoundConfig& config, SeededRandom& random) {
  std::vector<Planned> plan;
  const uint64_t kind = random.Below(10);
  const uint64_t n_faults = kind < 2 ? 0 : kind < 7 ? 1 + random.Below(2) : 3 + random.Below(4);
  while (plan.size() < n_faults) {
    const auto fault = static_cast<Fault>(random.Below(static_cast<uint64_t>(Fault::kFaults)));
    // Without commitments nobody can tell a bad share: such a round ends at its opened secrets.
    if (config.share_proof == ShareProof::kNone &&
        (fault == Fault::kBadShares || fault == Fault::kBadAnswer)) {
      continue;
    }
    plan.push_back({.fault = fault,
                    .flight = FlightOf(fault, random),
                    .member = static_cast<uint16_t>(random.Below(config.roster.size()))});
  }
  return plan;
}

std::string Describe(uint64_t seed, int attempt, const RoundConfig& config,
                     const std::vector<Planned>& plan) {
  std::ostringstream out;
  out << "HILUM_SECAGG_SEED=" << seed << ", attempt " << attempt << ", " << config.roster.size()
      << " sites: ";
  for (const Planned& planned : plan) out << planned;
  return out.str();
}

void RunSeed(uint64_t seed, Tally& tally) {
  SeededRandom random = SeededRandom::For({seed});
  const RoundConfig config = DrawConfig(random);
  Indices members;
  for (uint8_t attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::vector<Planned> plan =
        attempt == 0 ? DrawPlan(config, random) : std::vector<Planned>{};
    tally.n_faults += static_cast<int>(plan.size());
    SCOPED_TRACE(Describe(seed, attempt, config, plan));
    Simulation simulation(config,
                          {.attempt = attempt, .seed = seed * 10 + attempt, .members = members},
                          plan, random);
    simulation.Run();
    if (simulation.is_open()) {
      ++tally.n_open;
      return;
    }
    if (!absl::IsAborted(simulation.reason())) break;
    ++tally.n_void;
    members = simulation.NextMembers();
    if (members.size() < ContextOf(config)->min_count()) break;
  }
  ++tally.n_closed;
}

void RunPart(uint64_t part) {
  if (const char* one = std::getenv("HILUM_SECAGG_SEED"); one != nullptr) {
    const uint64_t seed = std::strtoull(one, nullptr, 10);
    Tally tally;
    if (seed / kSeedsPerPart == part) RunSeed(seed, tally);
    return;
  }
  Tally tally;
  for (uint64_t seed = part * kSeedsPerPart; seed < (part + 1) * kSeedsPerPart; ++seed) {
    RunSeed(seed, tally);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
  // The mix stays one that tests both ways.
  EXPECT_GT(tally.n_open, 100);
  EXPECT_GT(tally.n_closed, 10);
  EXPECT_GT(tally.n_void, 0);
  std::printf("%d rounds are exact, %d failed closed, %d attempts were void, %d faults\n",
              tally.n_open, tally.n_closed, tally.n_void, tally.n_faults);
}

TEST(Simulator, IsExactOrFailsClosedPart0) { RunPart(0); }
TEST(Simulator, IsExactOrFailsClosedPart1) { RunPart(1); }
TEST(Simulator, IsExactOrFailsClosedPart2) { RunPart(2); }
TEST(Simulator, IsExactOrFailsClosedPart3) { RunPart(3); }

}  // namespace
}  // namespace hilum::privacy::secagg
