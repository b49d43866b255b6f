#include "client/optimizer_memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/model_spec.h"
#include "base/status_macros.h"
#include "client/round_files.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

constexpr size_t kJobsKept = 8;
constexpr char kSuffix[] = ".safetensors";

// "first", and "second" when it is there, one after the other.
ModelSpec SpecOf(int64_t n_params, bool with_second) {
  ModelSpec spec{.architecture = "optimizer", .tensors = {}};
  spec.tensors.push_back({.name = "first", .shape = {n_params}, .offset = 0, .size = n_params});
  if (with_second) {
    spec.tensors.push_back(
        {.name = "second", .shape = {n_params}, .offset = n_params, .size = n_params});
  }
  return spec;
}

void DropOldJobs(const fs::path& root) {
  std::vector<std::pair<fs::file_time_type, fs::path>> jobs;
  std::error_code error;
  for (const auto& job : fs::directory_iterator(root, error)) {
    jobs.emplace_back(job.last_write_time(error), job.path());
  }
  std::sort(jobs.rbegin(), jobs.rend());
  for (size_t i = kJobsKept; i < jobs.size(); ++i) fs::remove_all(jobs[i].second, error);
}

absl::StatusOr<models::OptimizerMemory> Read(const fs::path& path, int64_t n_params,
                                             const std::string& films) {
  const uint64_t limit = proto::SafetensorsLimitBytes(2 * n_params);  // two moments each
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, limit));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile file, proto::ParseSafetensors(bytes));
  const auto text = [&](const std::string& key) { return file.metadata[key]; };
  models::OptimizerMemory memory;
  const bool with_second = file.spec.tensors.size() == 2;
  if (file.spec != SpecOf(n_params, with_second) ||
      !absl::SimpleAtoi(text("steps"), &memory.n_steps)) {
    return absl::DataLossError("it is not the memory of this network's optimizer");
  }
  if (text("films") != films) return absl::FailedPreconditionError("it is of other films");
  const auto middle = file.flat.begin() + n_params;
  memory.first.assign(file.flat.begin(), middle);
  memory.second.assign(middle, file.flat.end());
  return memory;
}

}  // namespace

OptimizerFolder::OptimizerFolder(const fs::path& root, absl::string_view job, const Digest& films)
    : root_(root), folder_(root / std::string(job)), films_(ToHex(films)) {}

models::OptimizerMemory OptimizerFolder::Before(uint64_t round, int64_t n_params) const {
  for (const auto& [number, path] : RoundFiles(folder_, kSuffix)) {
    if (number >= round) continue;
    absl::StatusOr<models::OptimizerMemory> memory = Read(path, n_params, films_);
    if (memory.ok()) return *std::move(memory);
    Log(LogLevel::kInfo, "the optimizer starts afresh",
        {{"file", path.string()}, {"reason", memory.status()}});
    std::error_code error;
    fs::remove(path, error);
  }
  return {};
}

absl::Status OptimizerFolder::Keep(uint64_t round, const models::OptimizerMemory& memory) const {
  const auto n_params = static_cast<int64_t>(memory.first.size());
  std::vector<float> flat = memory.first;
  flat.insert(flat.end(), memory.second.begin(), memory.second.end());
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         proto::EncodeSafetensors(SpecOf(n_params, !memory.second.empty()), flat,
                                                  {{"films", films_},
                                                   {"round", absl::StrCat(round)},
                                                   {"steps", absl::StrCat(memory.n_steps)}}));
  HILUM_RETURN_IF_ERROR(MakeFolder(root_));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder_));
  HILUM_RETURN_IF_ERROR(
      WriteFileDurably(folder_ / absl::StrCat(round, kSuffix), bytes, FileMode::kPrivate));
  DropRoundFiles(folder_, kSuffix, round);
  DropOldJobs(root_);
  return absl::OkStatus();
}

}  // namespace hilum::client
