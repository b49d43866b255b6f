// hilum model init and describe, from flags to files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/model_init.h"
#include "crypto/hash.h"
#include "models/architecture.h"
#include "models/initial_weights.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"
#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

constexpr uint64_t kFileLimitBytes = 64 << 20;

class ModelInit : public testing::Test {
 protected:
  ModelInit() {
    root_ = fs::path(testing::TempDir()) /
            testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    flags_.architecture = "covidnet-nano";
    flags_.seed = 7;
    flags_.profile = "cxr128";
    flags_.out = (root_ / "one").string();
  }
  ~ModelInit() override { fs::remove_all(root_); }

  absl::Status Run() {
    testing::internal::CaptureStdout();
    const absl::Status status = RunModelInit(flags_);
    printed_ = testing::internal::GetCapturedStdout();
    return status;
  }

  fs::path root_;
  ModelInitFlags flags_;
  std::string printed_;
};

TEST_F(ModelInit, WritesAFileThatItsOwnReaderTakes) {
  HILUM_ASSERT_OK(Run());
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file,
                             ReadFile(root_ / "one" / "model.safetensors", kFileLimitBytes));
  const models::ArchitectureOptions options{"covidnet-nano", 2, "group", 128};
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelSpec spec, models::SpecOf(options));
  HILUM_ASSERT_OK_AND_ASSIGN(const proto::SafetensorsFile parsed,
                             proto::ParseSafetensorsAs(file, spec));
  EXPECT_EQ(parsed.flat, *models::InitialWeights(options, 7));
  EXPECT_EQ(parsed.metadata.at("classes"), "normal,pneumonia");
  EXPECT_EQ(parsed.metadata.at("round"), "0");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string json,
                             ReadTextFile(root_ / "one" / "model.json", kFileLimitBytes));
  HILUM_ASSERT_OK_AND_ASSIGN(const proto::ModelDescription model,
                             proto::ModelDescriptionFromJson(json));
  EXPECT_EQ(model.sha256, crypto::Sha256(file));
  EXPECT_EQ(model.n_params, 807090);
  EXPECT_EQ(model.input_size, (std::vector<int64_t>{3, 128, 128}));
  EXPECT_EQ(parsed.metadata.at("profile_digest"), ToHex(model.profile_digest));
  EXPECT_NE(printed_.find(ToHex(model.sha256)), std::string::npos);
  EXPECT_NE(printed_.find("reconstructed"), std::string::npos);
}

TEST_F(ModelInit, TheSameSeedGivesTheSameFile) {
  HILUM_ASSERT_OK(Run());
  flags_.out = (root_ / "two").string();
  HILUM_ASSERT_OK(Run());
  flags_.out = (root_ / "other").string();
  flags_.seed = 8;
  HILUM_ASSERT_OK(Run());
  const auto read = [&](const char* name) {
    return *ReadFile(root_ / name / "model.safetensors", kFileLimitBytes);
  };
  EXPECT_EQ(read("one"), read("two"));
  EXPECT_NE(read("one"), read("other"));
}

TEST_F(ModelInit, WritesOverNothing) {
  HILUM_ASSERT_OK(Run());
  flags_.seed = 8;
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument, "exists already"));
}

TEST_F(ModelInit, RefusesWrongFlagsAndThenWritesNothing) {
  const struct {
    absl::StatusCode code;
    const char* sentence;
    void (*spoil)(ModelInitFlags&);
  } rows[] = {
      {absl::StatusCode::kNotFound, "covidnet-xl",
       [](ModelInitFlags& f) { f.architecture = "covidnet-xl"; }},
      {absl::StatusCode::kNotFound, "cxr127", [](ModelInitFlags& f) { f.profile = "cxr127"; }},
      {absl::StatusCode::kInvalidArgument, "name one twice",
       [](ModelInitFlags& f) {
         f.classes = {"normal", "normal"};
       }},
      {absl::StatusCode::kInvalidArgument, "--classes has 1 names, it must have 2 to 16",
       [](ModelInitFlags& f) { f.classes = {"normal"}; }},
      {absl::StatusCode::kInvalidArgument, "--classes has 17 names, it must have 2 to 16",
       [](ModelInitFlags& f) {
         f.classes.clear();
         for (char c = 'a'; c <= 'q'; ++c) f.classes.push_back(std::string(1, c));
       }},
      {absl::StatusCode::kInvalidArgument, "the class",
       [](ModelInitFlags& f) {
         f.classes = {"normal", "a,b"};
       }},
      {absl::StatusCode::kInvalidArgument, "norm \"layer\"",
       [](ModelInitFlags& f) { f.norm = "layer"; }},
      {absl::StatusCode::kInvalidArgument, "local_layers \"tail.*\" fits no tensor",
       [](ModelInitFlags& f) { f.local_layers = {"tail.*"}; }},
      {absl::StatusCode::kInvalidArgument, "--local has 17 patterns, at most 16",
       [](ModelInitFlags& f) { f.local_layers.assign(17, "head.*"); }},
      {absl::StatusCode::kInvalidArgument, "192 pixels, not 128",
       [](ModelInitFlags& f) { f.architecture = "covidnet-vol"; }},
      {absl::StatusCode::kInvalidArgument, "--min-age is 151",
       [](ModelInitFlags& f) { f.min_age_years = 151; }},
      {absl::StatusCode::kInvalidArgument, "224 pixels, not 128",
       [](ModelInitFlags& f) { f.architecture = "covidnet-paper224"; }},
  };
  for (const auto& row : rows) {
    const ModelInitFlags good = flags_;
    row.spoil(flags_);
    EXPECT_THAT(Run(), StatusIs(row.code, row.sentence));
    EXPECT_FALSE(fs::exists(root_ / "one")) << row.sentence;
    flags_ = good;
  }
}

TEST(ModelDescribe, PrintsTheCountsAsJsonAndAsATable) {
  testing::internal::CaptureStdout();
  HILUM_ASSERT_OK(RunModelDescribe({.architectures = {"covidnet-s"}, .json = true}));
  const auto json = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  EXPECT_EQ(json["n_params"], 8600195);
  EXPECT_EQ(json["n_tensors"], 247);
  EXPECT_EQ(json["reconstructed"], true);
  int64_t n_params = 0, macs = 0;
  for (const auto& layer : json["layers"]) {
    n_params += layer["n_params"].get<int64_t>();
    macs += layer["macs"].get<int64_t>();
  }
  EXPECT_EQ(n_params, 8600195);
  EXPECT_EQ(json["macs"], macs);
  testing::internal::CaptureStdout();
  HILUM_ASSERT_OK(RunModelDescribe({}));
  const std::string table = testing::internal::GetCapturedStdout();
  for (const char* part : {"covidnet-nano", "4202851", "5.865", "116241859", "reconstructed"}) {
    EXPECT_NE(table.find(part), std::string::npos) << part;
  }
  EXPECT_THAT(RunModelDescribe({.architectures = {"resnet-50"}}),
              StatusIs(absl::StatusCode::kNotFound, "resnet-50"));
}

}  // namespace
}  // namespace hilum::cli
