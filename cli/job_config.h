// JOB.toml and the folder of version 0 -> the round plan that is launched (docs/job.md).
#ifndef HILUM_CLI_JOB_CONFIG_H_
#define HILUM_CLI_JOB_CONFIG_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "proto/round_plan.h"

namespace hilum::cli {

// What JOB.toml says. The plan's spec and profile digest are still empty: they are the model's.
struct JobFile {
  fs::path model_folder;  // [model] init, relative to the file's folder
  proto::RoundPlan plan;
  // By key of [model]: file, line, key and value, for sentences about the folder of version 0.
  std::map<std::string, std::string> places;
};

// NotFound: no such file. InvalidArgument: not TOML, an unknown or missing key, a wrong type, a
// value out of its range, or a key that the chosen optimizer, schedule or strategy would not read;
// the sentence has file, line, key, value and what is allowed.
absl::StatusOr<JobFile> ReadJobFile(const fs::path& path);
// The same for text in memory; `file` is its name in messages.
absl::StatusOr<JobFile> ParseJobFile(const fs::path& file, absl::string_view text);

// A job that can be launched: plan and version 0 agree.
struct LaunchableJob {
  proto::RoundPlan plan;   // whole
  std::string plan_bytes;  // canonical
  Bytes model;             // the safetensors file of version 0
  Digest model_sha256{};
};

// Reads model.safetensors and model.json of the job's model folder and completes the plan.
// NotFound: the folder or a file is missing. InvalidArgument: model and job file disagree (the
// sentence names both files, the line, the key and both values), or the model is not version 0.
// DataLoss: the file is damaged or its SHA-256 is not model.json's.
absl::StatusOr<LaunchableJob> LoadVersionZero(const JobFile& job);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_CONFIG_H_
