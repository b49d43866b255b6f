#include "kernels/server_step.h"

#include <cmath>

#include "kernels/server_step_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
constexpr ServerRule kRules[] = {ServerRule::kFedAdagrad, ServerRule::kFedAdam,
                                 ServerRule::kFedYogi};

// Model, m and v between guards.
struct GuardedState {
  explicit GuardedState(int64_t n)
      : model(RandomFloats(n, 1)), m(RandomFloats(n, 2)), v(RandomFloats(n, 3)) {
    for (float& value : v.span()) value = std::abs(value);
  }
  ServerState state() { return {.model = model.span(), .m = m.span(), .v = v.span()}; }
  Guarded<float> model, m, v;
};

void ExpectSame(GuardedState& got, GuardedState& want, const std::string& way) {
  EXPECT_TRUE(SameBits(got.model.values(), want.model.values())) << way;
  EXPECT_TRUE(SameBits(got.m.values(), want.m.values())) << way;
  EXPECT_TRUE(SameBits(got.v.values(), want.v.values())) << way;
  EXPECT_TRUE(got.model.GuardsAreIntact() && got.m.GuardsAreIntact() && got.v.GuardsAreIntact())
      << way;
}

// Means of which some squares equal v, where Yogi's sign is 0.
std::vector<float> SomeMean(int64_t n, GuardedState& state) {
  std::vector<float> mean = RandomFloats(n, 9);
  for (size_t k = 0; k < mean.size(); k += 5) state.v.span()[k] = mean[k] * mean[k];
  return mean;
}

TEST(ServerStep, GivesTheReferencesBitsInEveryWay) {
  for (const ServerRule rule : kRules) {
    const ServerStepOptions options{.rule = rule, .rate = 0.03f, .beta1 = 0.9f, .beta2 = 0.97f};
    for (const int64_t n : SizesAround(2048)) {
      GuardedState want(n);
      Guarded mean(SomeMean(n, want));
      ServerStepReference(mean.span(), options, want.state());
      const auto status =
          WithServerStepProgram(FloatMean{.mean = mean.span().data()}, options, [&](auto program) {
            ForEachWay([&](auto launch, const std::string& way) {
              GuardedState got(n);
              SomeMean(n, got);
              program.model = got.model.span().data();
              program.m = got.m.span().data();
              program.v = got.v.span().data();
              program.n = n;
              launch(program, n);
              ExpectSame(got, want, way);
            });
            return absl::OkStatus();
          });
      HILUM_EXPECT_OK(status);
      GuardedState got(n);
      SomeMean(n, got);
      HILUM_EXPECT_OK(ServerStep(mean.span(), options, got.state(), Device::kCpu));
      ExpectSame(got, want, "public function");
    }
  }
}

TEST(ServerStepFromRing, IsDequantizeThenServerStep) {
  const DequantizeOptions dequantize{.ring_bits = 25, .gain = 1.0 / 3.0e7};
  for (const ServerRule rule : kRules) {
    for (const int64_t n : SizesAround(2048)) {
      std::vector<uint32_t> ring = RandomWords(n);
      for (uint32_t& word : ring) word >>= 7;
      std::vector<double> mean(ring.size());
      HILUM_EXPECT_OK(Dequantize(ring, dequantize, mean, Device::kCpu));
      const std::vector<float> rounded(mean.begin(), mean.end());
      const ServerStepOptions options{.rule = rule, .rate = 1.0f};
      GuardedState want(n), got(n);
      ServerStepReference(rounded, options, want.state());
      HILUM_EXPECT_OK(ServerStepFromRing(ring, dequantize, options, got.state(), Device::kCpu));
      ExpectSame(got, want, "from ring");
    }
  }
}

// Two rounds by hand: d = 1 then -2, beta1 = 1/2, beta2 = 3/4, tau = 1, v from tau^2.
TEST(ServerStep, FollowsTheAlgorithmRoundAfterRound) {
  const auto after = [](ServerRule rule) {
    std::vector<float> model = {10.0f}, m = {0.0f}, v = {1.0f};
    const ServerState state{.model = model, .m = m, .v = v};
    const ServerStepOptions options{
        .rule = rule, .rate = 1.0f, .beta1 = 0.5f, .beta2 = 0.75f, .tau = 1.0f};
    HILUM_EXPECT_OK(ServerStep(std::vector<float>{1.0f}, options, state, Device::kCpu));
    HILUM_EXPECT_OK(ServerStep(std::vector<float>{-2.0f}, options, state, Device::kCpu));
    return std::vector<float>{model[0], m[0], v[0]};
  };
  const float m1 = 0.5f, m2 = -0.75f;
  const auto model = [&](float v1, float v2) {
    return 10.0f + m1 / (std::sqrt(v1) + 1.0f) + m2 / (std::sqrt(v2) + 1.0f);
  };
  EXPECT_EQ(after(ServerRule::kFedAdagrad), (std::vector<float>{model(2.0f, 6.0f), m2, 6.0f}));
  EXPECT_EQ(after(ServerRule::kFedAdam), (std::vector<float>{model(1.0f, 1.75f), m2, 1.75f}));
  EXPECT_EQ(after(ServerRule::kFedYogi), (std::vector<float>{model(1.0f, 2.0f), m2, 2.0f}));
}

TEST(ServerStep, RefusesAMeanThatIsNotFiniteAndChangesNothing) {
  for (const float bad : {std::nanf(""), -INFINITY}) {
    std::vector<float> mean(3000, 1.0f);
    mean[2500] = bad;
    GuardedState got(3000), want(3000);
    EXPECT_THAT(ServerStep(mean, {.rate = 1.0f}, got.state(), Device::kCpu),
                StatusIs(kRefused, absl::StrCat("the mean holds ", bad, " at coordinate 2500")));
    ExpectSame(got, want, "unchanged");
  }
}

TEST(ServerStep, RefusesOptionsOutOfRange) {
  GuardedState state(3);
  const auto with = [&](auto change) {
    ServerStepOptions options{.rate = 0.1f};
    change(options);
    return ServerStep(std::vector<float>(3), options, state.state(), Device::kCpu);
  };
  const float nan = std::nanf("");
  EXPECT_THAT(with([](auto& o) { o.rate = 0.0f; }), StatusIs(kRefused, "server rate 0"));
  EXPECT_THAT(with([](auto& o) { o.rate = INFINITY; }), StatusIs(kRefused, "server rate inf"));
  EXPECT_THAT(with([](auto& o) { o.tau = 0.0f; }), StatusIs(kRefused, "tau 0"));
  EXPECT_THAT(with([&](auto& o) { o.tau = nan; }), StatusIs(kRefused, "tau nan"));
  EXPECT_THAT(with([](auto& o) { o.beta1 = 1.0f; }), StatusIs(kRefused, "0 <= beta < 1"));
  EXPECT_THAT(with([](auto& o) { o.beta2 = -0.1f; }), StatusIs(kRefused, "0 <= beta < 1"));
  EXPECT_THAT(ServerStep(std::vector<float>(4), {.rate = 1.0f}, state.state(), Device::kCpu),
              StatusIs(kRefused, "a mean of 4 parameters was given for a model of 3"));
  EXPECT_THAT(ServerStepFromRing(std::vector<uint32_t>(3), {.ring_bits = 33, .gain = 1.0},
                                 {.rate = 1.0f}, state.state(), Device::kCpu),
              StatusIs(kRefused, "a ring of 33 bits"));
}

}  // namespace
}  // namespace hilum::kernels
