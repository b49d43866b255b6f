#include "aggregator/compute.h"

#include "kernels/cpu.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using kernels::Device;

class ComputeTest : public testing::Test {
 protected:
  ~ComputeTest() override { kernels::SetCpuThreads(0); }
};

TEST_F(ComputeTest, TheCpuIsTheDefaultAndNeedsNoQueues) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Compute compute, ChooseCompute({}));
  EXPECT_EQ(compute.devices, std::vector<Device>{Device::kCpu});
  EXPECT_EQ(compute.make_queues, nullptr);
}

TEST_F(ComputeTest, AutoTakesAGpuOnlyWhereThereIsOne) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Compute compute, ChooseCompute({.device = "auto"}));
  const bool gpu = kernels::CudaDeviceCount() > 0;
  ASSERT_EQ(compute.devices.size(), 1u);
  EXPECT_EQ(compute.devices[0].kind, gpu ? Device::kCuda : Device::kCpu);
  EXPECT_EQ(compute.make_queues != nullptr, gpu);
}

TEST_F(ComputeTest, AGpuThatIsNotHereIsAWrongConfiguration) {
  EXPECT_THAT(ChooseCompute({.device = "cuda:4095"}),
              StatusIs(StatusCode::kInvalidArgument, "cuda:4095 was asked for, but this"));
  EXPECT_THAT(ChooseCompute({.device = "cuda:4094,cuda:4095"}),
              StatusIs(StatusCode::kInvalidArgument, "cuda:4094 was asked for, but this"));
  EXPECT_THAT(ChooseCompute({.device = "cuda:1,cuda:1"}),
              StatusIs(StatusCode::kInvalidArgument, "have cuda:1 twice"));
  EXPECT_THAT(ChooseCompute({.device = "gpu"}),
              StatusIs(StatusCode::kInvalidArgument, "is not auto, cpu, cuda or cuda:N"));
}

TEST_F(ComputeTest, SetsTheThreads) {
  const int before = kernels::CpuThreads();
  HILUM_ASSERT_OK(ChooseCompute({.threads = 3}).status());
  EXPECT_EQ(kernels::CpuThreads(), 3);
  HILUM_ASSERT_OK(ChooseCompute({}).status());
  EXPECT_EQ(kernels::CpuThreads(), before);
}

}  // namespace
}  // namespace hilum::aggregator
