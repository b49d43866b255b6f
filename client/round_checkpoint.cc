#include "client/round_checkpoint.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/model_spec.h"
#include "base/status_macros.h"
#include "client/jobs.h"
#include "client/sealed_file.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

constexpr char kFileName[] = "checkpoint";

// "weights", then the moments as far as there are any.
ModelSpec SpecOf(int64_t n_values, int64_t n_first, int64_t n_second) {
  ModelSpec spec{.architecture = "checkpoint", .tensors = {}};
  const std::pair<const char*, int64_t> tensors[] = {
      {"weights", n_values}, {"first", n_first}, {"second", n_second}};
  for (const auto& [name, size] : tensors) {
    if (size == 0) continue;
    spec.tensors.push_back(
        {.name = name, .shape = {size}, .offset = spec.n_params(), .size = size});
  }
  return spec;
}

std::string Bits(double value) { return absl::StrCat(std::bit_cast<uint64_t>(value)); }

absl::StatusOr<models::TrainCheckpoint> Parse(ByteView bytes, int64_t n_values, int64_t n_trained) {
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile file, proto::ParseSafetensors(bytes));
  const int64_t n_moments = static_cast<int64_t>(file.spec.tensors.size()) - 1;
  models::TrainCheckpoint checkpoint;
  uint64_t loss = 0, seconds = 0;
  const bool good =
      file.spec == SpecOf(n_values, n_moments > 0 ? n_trained : 0, n_moments > 1 ? n_trained : 0) &&
      absl::SimpleAtoi(file.metadata["n_steps"], &checkpoint.n_steps) &&
      absl::SimpleAtoi(file.metadata["n_samples_seen"], &checkpoint.n_samples_seen) &&
      absl::SimpleAtoi(file.metadata["loss_sum"], &loss) &&
      absl::SimpleAtoi(file.metadata["seconds"], &seconds) &&
      absl::SimpleAtoi(file.metadata["optimizer_steps"], &checkpoint.memory.n_steps);
  if (!good) return absl::DataLossError("it is not a checkpoint of this network");
  checkpoint.loss_sum = std::bit_cast<double>(loss);
  checkpoint.seconds = std::bit_cast<double>(seconds);
  const auto begin = file.flat.begin();
  checkpoint.weights.assign(begin, begin + n_values);
  if (n_moments > 0) {
    checkpoint.memory.first.assign(begin + n_values, begin + n_values + n_trained);
  }
  if (n_moments > 1) {
    checkpoint.memory.second.assign(begin + n_values + n_trained, file.flat.end());
  }
  return checkpoint;
}

}  // namespace

RoundCheckpoint::RoundCheckpoint(const fs::path& root, const TrainingFacts& facts,
                                 const SiteSecret& secret)
    : folder_(root / facts.job),
      purpose_(absl::StrCat("hilum/checkpoint/v1 ", facts.job, " ", facts.round, " ",
                            ToHex(facts.plan), " ", ToHex(facts.base_model), " ",
                            ToHex(facts.films), " ", facts.seed)),
      facts_(facts),
      secret_(secret) {}

std::optional<models::TrainCheckpoint> RoundCheckpoint::Read(int64_t n_values,
                                                             int64_t n_trained) const {
  const fs::path path = folder_ / kFileName;
  const auto read = [&]() -> absl::StatusOr<models::TrainCheckpoint> {
    HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                           ReadSealed({.path = path, .secret = secret_, .purpose = purpose_},
                                      proto::SafetensorsLimitBytes(n_values + 2 * n_trained)));
    return Parse(bytes, n_values, n_trained);
  };
  absl::StatusOr<models::TrainCheckpoint> checkpoint = read();
  if (checkpoint.ok()) {
    Log(LogLevel::kInfo, "training goes on from a checkpoint",
        {{"job", facts_.job}, {"round", facts_.round}, {"steps", checkpoint->n_steps}});
    return *std::move(checkpoint);
  }
  if (absl::IsDataLoss(checkpoint.status())) {
    Log(LogLevel::kInfo, "a checkpoint that is damaged or of another training is deleted",
        {{"job", facts_.job}, {"round", facts_.round}, {"reason", checkpoint.status()}});
    Remove();
  }
  return std::nullopt;
}

absl::Status RoundCheckpoint::Write(const models::TrainCheckpoint& checkpoint) const {
  const models::OptimizerMemory& memory = checkpoint.memory;
  std::vector<float> flat = checkpoint.weights;
  flat.insert(flat.end(), memory.first.begin(), memory.first.end());
  flat.insert(flat.end(), memory.second.begin(), memory.second.end());
  const auto size = [](const std::vector<float>& values) {
    return static_cast<int64_t>(values.size());
  };
  HILUM_ASSIGN_OR_RETURN(
      const Bytes bytes,
      proto::EncodeSafetensors(
          SpecOf(size(checkpoint.weights), size(memory.first), size(memory.second)), flat,
          {{"n_steps", absl::StrCat(checkpoint.n_steps)},
           {"n_samples_seen", absl::StrCat(checkpoint.n_samples_seen)},
           {"loss_sum", Bits(checkpoint.loss_sum)},
           {"seconds", Bits(checkpoint.seconds)},
           {"optimizer_steps", absl::StrCat(memory.n_steps)}}));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder_));
  const absl::Status written =
      WriteSealed({.path = folder_ / kFileName, .secret = secret_, .purpose = purpose_}, bytes);
  if (written.ok()) return written;
  return absl::Status(
      written.code(),
      absl::StrCat("the checkpoint of round ", facts_.round, " of job ", facts_.job, " after ",
                   checkpoint.n_steps, " steps is not kept: ", written.message(),
                   "; the one before it stays, and training goes on from there."));
}

void RoundCheckpoint::Remove() const {
  std::error_code error;
  fs::remove_all(folder_, error);
}

absl::Status CleanTraining(const fs::path& root, State& state) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<JobRecord> jobs, state.Jobs());
  std::set<std::string> at_work;
  for (const JobRecord& job : jobs) {
    if (!IsOver(job.server_state)) at_work.insert(job.job);
  }
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& folder : fs::directory_iterator(root, error)) {
    if (!at_work.contains(folder.path().filename().string())) left.push_back(folder.path());
  }
  for (const fs::path& folder : left) fs::remove_all(folder, error);
  return absl::OkStatus();
}

}  // namespace hilum::client
