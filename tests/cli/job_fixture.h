// A small job for the tests of hilum-job: JOB.toml, version 0, a folder of its own.
#ifndef HILUM_TESTS_CLI_JOB_FIXTURE_H_
#define HILUM_TESTS_CLI_JOB_FIXTURE_H_

#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "crypto/hash.h"
#include "proto/model_json.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"
#include "tests/status_matchers.h"

namespace hilum::cli {

// A folder that goes with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string name = testing::TempDir() + "hilum-cli-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TestFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline ModelSpec SmallSpec() {
  return {.architecture = "covidnet-nano",
          .tensors = {{.name = "fc.weight", .shape = {2, 3}, .offset = 0, .size = 6},
                      {.name = "fc.bias", .shape = {2}, .offset = 6, .size = 2}}};
}

inline Bytes SmallModel(const std::vector<float>& flat, const std::string& round = "0") {
  return *proto::EncodeSafetensors(SmallSpec(), flat, {{"round", round}});
}

inline proto::ModelDescription SmallDescription(ByteView file) {
  Digest profile{};
  profile[0] = 7;
  return {.architecture = "covidnet-nano",
          .classes = {"normal", "pneumonia"},
          .profile = "cxr128",
          .profile_digest = profile,
          .input_size = {3, 128, 128},
          .n_params = 8,
          .sha256 = crypto::Sha256(file)};
}

// Writes version 0 of the small model into `folder`.
inline void WriteVersionZero(const fs::path& folder, const proto::ModelDescription& description,
                             ByteView file) {
  HILUM_ASSERT_OK(MakeFolder(folder));
  HILUM_ASSERT_OK(WriteFileDurably(folder / "model.safetensors", file));
  HILUM_ASSERT_OK(
      WriteFileDurably(folder / "model.json", AsBytes(proto::ModelDescriptionToJson(description))));
}

inline constexpr char kJobToml[] = R"(job = "cxr-demo"
rounds = 3
seed = 7

[model]
init = "model0"
architecture = "covidnet-nano"
classes = ["normal", "pneumonia"]
profile = "cxr128"

[training]
local_epochs = 2

[cohort]
minimum = 4
target = 6

[aggregation]
mode = "open"
clip_l2 = 50.0
max_weight = 1000
)";

// The plan of kJobToml with the small model.
inline proto::RoundPlan SmallPlan() {
  proto::RoundPlan plan;
  plan.job = "cxr-demo";
  plan.rounds = 3;
  plan.seed = 7;
  plan.model = {
      .architecture = "covidnet-nano", .classes = {"normal", "pneumonia"}, .profile = "cxr128"};
  plan.model.profile_digest[0] = 7;
  plan.training.local_epochs = 2;
  plan.cohort.minimum = 4;
  plan.cohort.target = 6;
  plan.aggregation.clip_l2 = 50.0;
  plan.aggregation.max_weight = 1000;
  plan.spec = SmallSpec();
  return plan;
}

}  // namespace hilum::cli

#endif  // HILUM_TESTS_CLI_JOB_FIXTURE_H_
