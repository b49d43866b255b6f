#include "kernels/collective.h"

#include <vector>

#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using absl::StatusCode;

constexpr int64_t kBlock = 4096;  // of the CPU's loop

template <class T>
std::vector<T> Part(int64_t n, uint32_t seed) {
  if constexpr (sizeof(T) == 4) {
    return RandomWords(n, seed);
  } else {
    return RandomTotals(n, seed);
  }
}

template <class T>
class CollectiveSum : public testing::Test {};
using Types = testing::Types<uint32_t, uint64_t>;
TYPED_TEST_SUITE(CollectiveSum, Types);

TYPED_TEST(CollectiveSum, IsThePlainSumForEveryNumberOfDevices) {
  for (size_t n_devices = 1; n_devices <= 9; ++n_devices) {
    const std::vector<Device> devices(n_devices, Device::kCpu);
    HILUM_ASSERT_OK_AND_ASSIGN(const auto group, Collective::Create(devices));
    ASSERT_EQ(group->n_devices(), n_devices);
    for (const int64_t n : SizesAround(kBlock)) {
      std::vector<Guarded<TypeParam>> memory;  // not aligned, with marks around
      for (uint32_t i = 0; i < n_devices; ++i) memory.emplace_back(Part<TypeParam>(n, 10 + i));
      std::vector<std::span<const TypeParam>> parts;
      for (auto& part : memory) parts.push_back(part.span());
      std::vector<TypeParam> want(static_cast<size_t>(n));
      CollectiveSumReference(parts, want);
      Guarded<TypeParam> got(n);
      HILUM_ASSERT_OK(group->Sum(parts, got.span()));
      EXPECT_EQ(got.values(), want) << n_devices << " devices, " << n;
      EXPECT_TRUE(got.GuardsAreIntact());
    }
  }
}

TYPED_TEST(CollectiveSum, WrapsAtTheEndOfItsType) {
  const std::vector<Device> devices(2, Device::kCpu);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto group, Collective::Create(devices));
  const std::vector<TypeParam> ones(5, static_cast<TypeParam>(-1)), twos(5, 2);
  const std::vector<std::span<const TypeParam>> parts = {ones, twos};
  std::vector<TypeParam> total(5);
  HILUM_ASSERT_OK(group->Sum(parts, total));
  EXPECT_EQ(total, std::vector<TypeParam>(5, 1));
}

TYPED_TEST(CollectiveSum, TheTotalMayBeAnyOfTheParts) {
  constexpr int64_t kN = 3 * kBlock + 7;
  const std::vector<Device> devices(3, Device::kCpu);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto group, Collective::Create(devices));
  for (size_t same = 0; same < 3; ++same) {
    std::vector<std::vector<TypeParam>> memory;
    for (uint32_t i = 0; i < 3; ++i) memory.push_back(Part<TypeParam>(kN, i));
    const std::vector<std::span<const TypeParam>> parts(memory.begin(), memory.end());
    std::vector<TypeParam> want(kN);
    CollectiveSumReference(parts, want);
    HILUM_ASSERT_OK(group->Sum(parts, memory[same]));
    EXPECT_EQ(memory[same], want) << same;
  }
}

TYPED_TEST(CollectiveSum, NamesThePartThatDoesNotFit) {
  const std::vector<Device> devices(2, Device::kCpu);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto group, Collective::Create(devices));
  const std::vector<TypeParam> four(4), five(5);
  std::vector<TypeParam> total(4, 7);
  const std::vector<std::span<const TypeParam>> longer = {four, five}, one = {four};
  EXPECT_THAT(group->Sum(longer, total),
              StatusIs(StatusCode::kInvalidArgument, "part 1 has 5 coordinates, the total 4"));
  EXPECT_THAT(group->Sum(one, total),
              StatusIs(StatusCode::kInvalidArgument, "1 parts were given to a collective of 2"));
  EXPECT_EQ(total, std::vector<TypeParam>(4, 7));
}

TEST(Collective, RefusesDevicesThatMakeNoGroup) {
  const Device gpu(Device::kCuda, 4095);
  const std::vector<Device> none, many(65, Device::kCpu),
      mixed = {Device::kCpu, gpu}, twice = {Device(Device::kCuda, 0), Device(Device::kCuda, 0)},
      absent = {gpu};
  EXPECT_THAT(Collective::Create(none), StatusIs(StatusCode::kInvalidArgument, "of 0 devices"));
  EXPECT_THAT(Collective::Create(many),
              StatusIs(StatusCode::kInvalidArgument, "needed is 1 to 64"));
  EXPECT_THAT(Collective::Create(mixed),
              StatusIs(StatusCode::kInvalidArgument, "cpu and cuda:4095"));
  EXPECT_THAT(Collective::Create(absent),
              StatusIs(StatusCode::kFailedPrecondition, "cuda:4095 was asked for, but this"));
  // Where there is no GPU at all, that is said first.
  EXPECT_FALSE(Collective::Create(twice).ok());
}

}  // namespace
}  // namespace hilum::kernels
