#include "kernels/device.h"

#include "kernels/integer_sum.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

TEST(ParseDevice, TheCpuIsAlwaysThere) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Device cpu, ParseDevice("cpu"));
  EXPECT_EQ(cpu, Device(Device::kCpu));
  EXPECT_EQ(ToString(cpu), "cpu");
}

TEST(ParseDevice, AutoTakesAGpuOnlyWhereThereIsOne) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Device device, ParseDevice("auto"));
  EXPECT_EQ(device.kind, CudaDeviceCount() > 0 ? Device::kCuda : Device::kCpu);
}

TEST(ParseDevice, RefusesWhatIsNotADevice) {
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1 ", "cuda:0x1",
                           "cuda0", "cuda:99999999999"}) {
    EXPECT_THAT(ParseDevice(text),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not auto, cpu, cuda or cuda:N"))
        << text;
  }
}

TEST(ParseDevice, SaysPlainlyThatAGpuIsNotThere) {
  EXPECT_THAT(ParseDevice("cuda:4095"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cuda:4095 was asked for, but this"));
  if (CudaDeviceCount() == 0) {
    EXPECT_THAT(ParseDevice("cuda"),
                StatusIs(absl::StatusCode::kFailedPrecondition, "cuda:0 was asked for, but this"));
  }
}

TEST(ParseDevices, ReadsOneDeviceAsParseDeviceDoes) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<Device> devices, ParseDevices("cpu"));
  EXPECT_EQ(devices, std::vector<Device>{Device::kCpu});
  EXPECT_EQ(ToString(devices), "cpu");
  EXPECT_EQ(ToString(std::vector<Device>{{Device::kCuda, 0}, {Device::kCuda, 3}}), "cuda:0,cuda:3");
  EXPECT_THAT(ParseDevices("gpu"), StatusIs(absl::StatusCode::kInvalidArgument, "is not auto"));
}

TEST(ParseDevices, RefusesWhatIsNoGroupOfGpus) {
  for (const auto& [text, sentence] : {std::pair{"cpu,cpu", "have cpu among them"},
                                       {"cuda:0,auto", "have auto among them"},
                                       {"cuda,cuda:0", "have cuda:0 twice"},
                                       {"cuda:0,", "device \"\" is not"},
                                       {"cuda:0, cuda:1", "device \" cuda:1\" is not"}}) {
    EXPECT_THAT(ParseDevices(text), StatusIs(absl::StatusCode::kInvalidArgument, sentence)) << text;
  }
  EXPECT_THAT(ParseDevices("cuda:4094,cuda:4095"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cuda:4094 was asked for, but this"));
}

TEST(Device, AKernelRefusesAGpuThatIsNotThere) {
  EXPECT_THAT(AddWords({}, {}, Device(Device::kCuda, 4095)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "use cpu or auto"));
}

}  // namespace
}  // namespace hilum::kernels
