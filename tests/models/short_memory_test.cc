// Memory that runs short in the middle of a step.
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <cmath>

#include "models/torch_status.h"
#include "models/train.h"
#include "tests/models/small_set.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

using absl::StatusCode;

// LibTorch's memory while it lives. Once armed, `n_failures` allocations fail, the first of them
// after `n_good` others, with the words of Linux.
class ShortMemory final : public c10::Allocator {
 public:
  ShortMemory() { c10::SetCPUAllocator(this); }
  ~ShortMemory() override { c10::SetCPUAllocator(c10::GetDefaultCPUAllocator()); }

  void Arm(int n_good, int n_failures) {
    n_good_ = n_good;
    n_failures_ = n_failures;
  }
  c10::DataPtr allocate(size_t n) override {
    if (n_failures_ > 0 && n_good_-- <= 0) {
      --n_failures_;
      TORCH_CHECK(false,
                  "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't "
                  "allocate memory: you tried to allocate ",
                  n, " bytes. Error code 12 (Cannot allocate memory)");
    }
    return c10::GetDefaultCPUAllocator()->allocate(n);
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return c10::GetDefaultCPUAllocator()->raw_deleter();
  }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }

 private:
  std::atomic<int> n_good_ = 0;
  std::atomic<int> n_failures_ = 0;
};

// The set, with a memory that runs short after the first sample was read.
TrainingSet Arming(const TrainingSet& set, ShortMemory& memory, int n_good, int n_failures) {
  TrainingSet arming = set;
  arming.read = [&memory, n_good, n_failures, armed = false, read = set.read](
                    int64_t index, std::span<float> pixels) mutable {
    if (!armed) memory.Arm(n_good, n_failures);
    armed = true;
    return read(index, pixels);
  };
  return arming;
}

TEST(ShortMemory, TakesABatchInPartsAndLearnsTheSame) {
  const TrainingSet set = Separable(8, 1);
  TrainOptions options = Steps(1);
  options.optimizer = Optimizer::kSgd;  // whose step is the gradient
  options.momentum = options.weight_decay = 0;
  options.schedule = Schedule::kConstant;
  options.learning_rate = 0.1f;
  Network whole = SmallNetwork(1);
  HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult undisturbed, Train(whole, set, options));
  EXPECT_EQ(undisturbed.n_at_once, 4);
  // In the forward pass, and late enough to be in the backward pass. (Not in between: where oneDNN
  // cannot copy a convolution's weights, it takes them as they lie.)
  for (const int n_good : {0, 400}) {
    ShortMemory memory;
    Network parts = SmallNetwork(1);
    HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result,
                               Train(parts, Arming(set, memory, n_good, 1), options));
    EXPECT_EQ(result.n_at_once, 2) << n_good;
    EXPECT_EQ(result.n_samples_seen, 4) << "the effective batch stays";
    EXPECT_NEAR(result.mean_loss, undisturbed.mean_loss, 1e-5);
    const std::vector<float> a = whole.Flat(), b = parts.Flat();
    double error = 0, moved = 0;
    const std::vector<float> start = SmallNetwork(1).Flat();
    for (size_t i = 0; i < a.size(); ++i) {
      error += std::pow(a[i] - b[i], 2);
      moved += std::pow(a[i] - start[i], 2);
    }
    EXPECT_GT(moved, 0);
    EXPECT_LT(std::sqrt(error / moved), 1e-3) << n_good;
  }
}

// One step of a network with BatchNorm, all samples in one batch.
absl::StatusOr<TrainResult> StepWithBatchNorm(Network& network, const TrainingSet& set) {
  TrainOptions options = Steps(1);
  options.batch = static_cast<int>(set.labels.size());
  return Train(network, set, options);
}

TEST(ShortMemory, APassThatFailedLeavesNoTraceInTheStatistics) {
  const TrainingSet set = Separable(4, 1);
  const ArchitectureOptions architecture{"covidnet-nano", 2, "batch_local", kSide};
  std::vector<std::vector<float>> local;
  // Before BatchNorm has seen anything, and after most of it has.
  for (const int n_good : {0, 300}) {
    ShortMemory memory;
    Network network = MakeNetwork(architecture, 1);
    HILUM_ASSERT_OK_AND_ASSIGN(const TrainResult result,
                               StepWithBatchNorm(network, Arming(set, memory, n_good, 1)));
    EXPECT_EQ(result.n_at_once, 2) << n_good;
    local.push_back(network.Local());
  }
  EXPECT_EQ(local[0], local[1]);
}

TEST(ShortMemory, BatchNormIsNeverGivenALoneSample) {
  const ArchitectureOptions architecture{"covidnet-nano", 2, "batch", kSide};
  const TrainingSet three = Separable(3, 1);
  ShortMemory memory;
  Network whole = MakeNetwork(architecture, 1), parts = MakeNetwork(architecture, 1);
  HILUM_ASSERT_OK(StepWithBatchNorm(whole, three));
  HILUM_ASSERT_OK(StepWithBatchNorm(parts, Arming(three, memory, 0, 1)));
  EXPECT_EQ(parts.Flat(), whole.Flat()) << "two and one go together";
  EXPECT_EQ(parts.Local(), whole.Local());
  EXPECT_THAT(StepWithBatchNorm(parts, Arming(Separable(2, 1), memory, 0, 1)),
              StatusIs(StatusCode::kResourceExhausted, "can't allocate memory"));
}

TEST(ShortMemory, ThatDoesNotSufficeForOneSampleIsSaid) {
  ShortMemory memory;
  Network network = SmallNetwork(1);
  const std::vector<float> start = network.Flat();
  const TrainingSet set = Arming(Separable(8, 1), memory, 0, 1 << 20);
  EXPECT_THAT(Train(network, set, Steps(2)),
              StatusIs(StatusCode::kResourceExhausted, "can't allocate memory"));
  memory.Arm(0, 0);
  EXPECT_EQ(network.Flat(), start);
}

TEST(IsOutOfMemory, KnowsTheWordsOfCpuAndGpu) {
  EXPECT_TRUE(IsOutOfMemory("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"));
  EXPECT_TRUE(IsOutOfMemory("DefaultCPUAllocator: not enough memory: you tried to allocate 9"));
  EXPECT_TRUE(IsOutOfMemory("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"));
  EXPECT_FALSE(IsOutOfMemory("Expected all tensors to be on the same device"));
}

}  // namespace
}  // namespace hilum::models
