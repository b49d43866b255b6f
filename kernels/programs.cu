// Instantiates every program for CUDA, so that its cost can be read without a GPU (budgets.tsv).
#include "kernels/chacha20_program.h"
#include "kernels/clip_program.h"
#include "kernels/dequantize_program.h"
#include "kernels/discrete_gaussian_program.h"
#include "kernels/gram_program.h"
#include "kernels/integer_sum_program.h"
#include "kernels/pack_program.h"
#include "kernels/quantize_program.h"
#include "kernels/server_step_program.h"
#include "kernels/sum_of_squares_program.h"
#include "kernels/tag_program.h"
#include "kernels/trimmed_mean_program.h"
#include "kernels/vector_sum_program.h"
#include "kernels/weighted_mean_program.h"

namespace hilum::kernels {

template __global__ void Run(IntegerSumProgram<1>);
template __global__ void Run(IntegerSumProgram<-1>);
template __global__ void Run(ReduceToRingProgram);
template __global__ void Run(SumOfSquaresProgram);
template __global__ void Run(ScaleProgram);
template __global__ void Run(QuantizeProgram);
template __global__ void Run(DequantizeProgram);
template __global__ void Run(AddMeanProgram);
template __global__ void Run(WeightedSumProgram);
template __global__ void Run(GramProgram);
template __global__ void Run(TrimmedMeanProgram);
template __global__ void Run(VectorSumProgram);
template __global__ void Run(PackProgram);
template __global__ void Run(UnpackProgram);
template __global__ void Run(ServerStepProgram<ServerRule::kFedAdagrad, RingMean>);
template __global__ void Run(ServerStepProgram<ServerRule::kFedAdagrad, FloatMean>);
template __global__ void Run(ServerStepProgram<ServerRule::kFedAdam, RingMean>);
template __global__ void Run(ServerStepProgram<ServerRule::kFedAdam, FloatMean>);
template __global__ void Run(ServerStepProgram<ServerRule::kFedYogi, RingMean>);
template __global__ void Run(ServerStepProgram<ServerRule::kFedYogi, FloatMean>);
template __global__ void Run(ChaCha20Program<uint32_t>);
template __global__ void Run(DiscreteGaussianProgram);
template __global__ void Run(TagProgram<uint64_t>);

}  // namespace hilum::kernels
