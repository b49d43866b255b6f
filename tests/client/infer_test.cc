#include "client/infer.h"

#include <algorithm>
#include <functional>
#include <span>

#include "base/check.h"
#include "base/seeded_random.h"
#include "client/compare.h"
#include "client/evaluate.h"
#include "nlohmann/json.hpp"
#include "tests/client/films.h"
#include "tests/client/release.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

fs::path TestFilm(int number) {
  char name[32];
  std::snprintf(name, sizeof name, "DEMO-T-%04d_1.dcm", number);
  return DemoData() / "test/films" / name;
}

class InferTest : public ::testing::Test {
 protected:
  void Open(int min_age_years = 1) {
    MakeRelease(release_, false, min_age_years);
    HILUM_ASSERT_OK_AND_ASSIGN(VerifiedModel model, Admit(release_));
    model_.emplace(std::move(model));
    HILUM_ASSERT_OK_AND_ASSIGN(Clinic clinic, Clinic::Open(*model_));
    clinic_.emplace(std::move(clinic));
  }
  Release release_;
  std::optional<VerifiedModel> model_;
  std::optional<Clinic> clinic_;
};

TEST_F(InferTest, AFilmGetsProbabilitiesAPictureAndItsProof) {
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(TestFilm(1), true));
  EXPECT_FALSE(finding.abstained) << finding.reason;
  ASSERT_EQ(finding.probabilities.size(), 2u);
  EXPECT_EQ(finding.probabilities[0].first, "normal");
  EXPECT_NEAR(finding.probabilities[0].second + finding.probabilities[1].second, 1, 1e-6);
  ASSERT_TRUE(finding.overlay.has_value());
  EXPECT_EQ(finding.overlay->width, 512);
  EXPECT_EQ(finding.overlay->channels, 3);
  const fs::path folder = NewFolder("result") / "film";
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text,
                             WriteResult(finding, *model_, release_.folder, folder));
  EXPECT_EQ(ReadText(folder / "result.json"), text);
  EXPECT_TRUE(fs::exists(folder / "overlay.png"));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["model_sha256"], ToHex(model_->sha256()));
  EXPECT_EQ(json["round"], 1);
  EXPECT_EQ(json["ledger"]["origin"], ledger_anchor::Federation::kOrigin);
  EXPECT_EQ(json["ledger"]["index"], release_.site.close_index);
  EXPECT_EQ(json["proof"], (release_.folder / "round.tlog-proof").string());
  EXPECT_NE(json["notice"].get<std::string>().find("not for diagnosis"), std::string::npos);
  EXPECT_EQ(json["probabilities"].size(), 2u);
}

TEST_F(InferTest, ThePictureSaysThatItIsForResearchOnly) {
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(TestFilm(1), true));
  const dicom::Image8& picture = *finding.overlay;
  size_t lit = 0;
  for (int64_t y = picture.height - 64; y < picture.height - 32; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      lit += picture.values[3 * (y * picture.width + x)] > 128 ? 1 : 0;
    }
  }
  EXPECT_GT(lit, 500u) << "the burned-in line is missing";
}

// Whether a pixel of the film, above the banner, has another red than green.
bool HasColour(const dicom::Image8& picture) {
  for (int64_t i = 0; i < (picture.height - 64) * picture.width; ++i) {
    if (picture.values[3 * i] != picture.values[3 * i + 1]) return true;
  }
  return false;
}

TEST_F(InferTest, ThePictureExplainsItsColour) {
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding seeing, clinic_->Infer(TestFilm(1), true));
  EXPECT_TRUE(HasColour(*seeing.overlay));
  EXPECT_THAT(seeing.caption, testing::HasSubstr("Colour: where it looked, no evidence."));
}

TEST_F(InferTest, APictureWithoutColourSaysThatNoSpotSpoke) {
  release_.blind = true;
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding blind, clinic_->Infer(TestFilm(1), true));
  EXPECT_FALSE(HasColour(*blind.overlay));
  EXPECT_EQ(blind.caption, "normal 0.500. No colour: no spot spoke for this class.");
}

TEST_F(InferTest, TheSameFilmGivesTheSameBits) {
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding first, clinic_->Infer(TestFilm(2), false));
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding second, clinic_->Infer(TestFilm(2), false));
  EXPECT_EQ(first.probabilities, second.probabilities);
}

TEST_F(InferTest, WhatIsNoFilmIsAnAbstentionWithItsCode) {
  Open();
  const fs::path bad = NewFolder("bad") / "note.dcm";
  WriteText(bad, "no film");
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(bad, true));
  EXPECT_TRUE(finding.abstained);
  EXPECT_EQ(finding.code, "NO_PREAMBLE");
  EXPECT_TRUE(finding.probabilities.empty());
  EXPECT_FALSE(finding.overlay.has_value());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text,
                             WriteResult(finding, *model_, release_.folder, NewFolder("result")));
  EXPECT_EQ(text.find("probabilities"), std::string::npos);
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding missing, clinic_->Infer("/nowhere.dcm", true));
  EXPECT_EQ(missing.code, "FILE");
}

TEST_F(InferTest, ALateralFilmIsRefusedByItsHeader) {
  Open();
  // ViewPosition (0018,5101) of the copy says LL instead of AP or PA.
  std::string film = ReadText(TestFilm(1));
  const size_t at = film.find(std::string("\x18\x00\x01\x51", 4));
  ASSERT_NE(at, std::string::npos);
  film.replace(at + 8, 2, "LL");
  const fs::path lateral = NewFolder("lateral") / "film.dcm";
  WriteText(lateral, film);
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(lateral, true));
  EXPECT_TRUE(finding.abstained);
  EXPECT_EQ(finding.code, "VIEW");
}

TEST_F(InferTest, AChildIsNotJudgedByAModelForAdults) {
  Open(/*min_age_years=*/18);
  bool child = false;
  for (int i = 1; i <= 10; ++i) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(TestFilm(i), true));
    if (finding.code != "AGE") continue;
    child = true;
    EXPECT_TRUE(finding.abstained);
    EXPECT_TRUE(finding.probabilities.empty());
    EXPECT_EQ(finding.reason, "the patient is 3 years old, the model is for 18 years and older");
  }
  EXPECT_TRUE(child);
}

// Films of two sites of one source, 94 patients.
fs::path ReferenceFolder() {
  const fs::path folder = NewFolder("reference") / "films";
  fs::create_directories(folder);
  for (const char* site : {"hospital-a", "hospital-b"}) {
    for (const auto& film : fs::directory_iterator(DemoData() / "sites" / site / "films")) {
      fs::copy(film.path(), folder);
    }
  }
  return folder;
}

// A copy of an uncompressed test film whose pixels, the last bytes of the file, are changed by
// `change`.
fs::path Changed(int number, const std::function<void(std::span<char>)>& change) {
  std::string film = ReadText(TestFilm(number));
  HILUM_CHECK(film.size() > 224 * 224);
  change({film.data() + film.size() - 224 * 224, 224 * 224});
  const fs::path copy = NewFolder("changed") / "film.dcm";
  WriteText(copy, film);
  return copy;
}

TEST_F(InferTest, WhatIsUnlikeTheSitesFilmsIsRefusedBeforeTheNetworkSeesIt) {
  Open();
  HILUM_ASSERT_OK(clinic_->UseReference(ReferenceFolder()));
  SeededRandom random(11);
  const std::pair<const char*, fs::path> foreign[] = {
      {"black", Changed(17, [](std::span<char> p) { std::ranges::fill(p, 0); })},
      {"noise", Changed(17,
                        [&](std::span<char> p) {
                          for (char& pixel : p) pixel = static_cast<char>(random.Below(256));
                        })},
      {"half a turn", Changed(17, [](std::span<char> p) { std::ranges::reverse(p); })}};
  for (const auto& [name, film] : foreign) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(film, true));
    EXPECT_TRUE(finding.abstained) << name;
    EXPECT_EQ(finding.code, "OUT_OF_DISTRIBUTION") << name;
    EXPECT_EQ(finding.gate, "refused") << name;
    EXPECT_FALSE(finding.overlay.has_value()) << name;
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string text,
                               WriteResult(finding, *model_, release_.folder, NewFolder("result")));
    EXPECT_EQ(text.find("probabilities"), std::string::npos) << name;
  }
}

TEST_F(InferTest, MostFilmsOfTheSitesKindPassTheGate) {
  Open();
  HILUM_ASSERT_OK(clinic_->UseReference(ReferenceFolder()));
  int n_own = 0, n_passed = 0;
  for (int i = 1; i <= 60; ++i) {
    const std::string name = TestFilm(i).filename().string();
    const std::string labels = ReadText(DemoData() / "test/labels.csv");
    const size_t at = labels.find(name);
    if (labels.substr(at, labels.find('\n', at) - at).find("gwcmc") == std::string::npos) continue;
    ++n_own;
    HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(TestFilm(i), false));
    n_passed += !finding.abstained;
    EXPECT_TRUE(finding.abstained || finding.gate == "passed") << finding.gate;
  }
  ASSERT_GT(n_own, 20);
  EXPECT_GE(n_passed, 0.8 * n_own);  // 95 % are meant; limits from 47 films vary
}

TEST_F(InferTest, WithoutAReferenceTheFindingSaysThatNoGateWasRun) {
  Open();
  HILUM_ASSERT_OK_AND_ASSIGN(const Finding finding, clinic_->Infer(TestFilm(1), false));
  EXPECT_EQ(finding.gate, "not run");
  EXPECT_THAT(finding.flags, testing::Contains("GATE_NOT_RUN"));
}

TEST_F(InferTest, AReferenceOfTooFewPatientsIsRefused) {
  Open();
  EXPECT_THAT(clinic_->UseReference(MakeSource("hospital-a", 10) / "films"),
              StatusIs(StatusCode::kFailedPrecondition, "10 patients to go by, at least 80"));
  EXPECT_THAT(clinic_->UseReference("/nowhere"), StatusIs(StatusCode::kNotFound, "/nowhere"));
}

// A test folder with the first films of the demo's, and what a model says about them.
fs::path TestFolder(int n_films) {
  const fs::path folder = NewFolder("test");
  fs::create_directories(folder / "films");
  for (int i = 1; i <= n_films; ++i) fs::copy(TestFilm(i), folder / "films");
  fs::copy(DemoData() / "test/labels.csv", folder);
  return folder;
}

TEST_F(InferTest, AnEvaluationCountsWhatItCannotJudge) {
  Open();
  const fs::path folder = TestFolder(24);
  WriteText(folder / "films/bad.dcm", "no film");
  WriteText(folder / "labels.csv", ReadText(folder / "labels.csv") + "bad.dcm,normal,nih\n");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EvaluateModel(*model_, {.folder = folder}));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["n"], 24);
  EXPECT_EQ(json["refused"], 1);
  EXPECT_EQ(json["metrics"]["n"], 24);
  const double value = json["metrics"]["balanced_accuracy"];
  EXPECT_GE(value, json["metrics"]["ci95"][0].get<double>());
  EXPECT_LE(value, json["metrics"]["ci95"][1].get<double>());
  EXPECT_EQ(json["metrics"]["auroc"].size(), 2u);
  EXPECT_EQ(json["model_sha256"], ToHex(model_->sha256()));
  const Json& audit = json["leak_audit"];
  EXPECT_FALSE(audit["promoted"]);
  EXPECT_TRUE(audit["source_only"]["balanced_accuracy"].is_object());
  EXPECT_TRUE(audit["lungs_out_auroc"].is_object());
  int64_t n = 0;
  for (const auto& [site, counts] : audit["class_by_site"].items()) {
    for (const auto& count : counts) n += count.get<int64_t>();
  }
  EXPECT_EQ(n, 24);
}

TEST_F(InferTest, ThresholdsAreChosenOnOtherPatients) {
  Open();
  const fs::path folder = TestFolder(24);
  HILUM_ASSERT_OK_AND_ASSIGN(std::string text, EvaluateModel(*model_, {.folder = folder}));
  EXPECT_EQ(Json::parse(text)["operating_point"]["n_validation"], 0);
  EXPECT_EQ(Json::parse(text)["operating_point"]["rows"][1]["threshold"], 0.5);
  const fs::path validation = MakeSource("hospital-a", 46);
  HILUM_ASSERT_OK_AND_ASSIGN(text,
                             EvaluateModel(*model_, {.folder = folder, .validation = validation}));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["operating_point"]["n_validation"], 46);
  const Json& row = json["operating_point"]["rows"][1];
  EXPECT_EQ(row["films"], "all");
  EXPECT_EQ(row["class"], "pneumonia");
  EXPECT_NE(row["threshold"], 0.5);
  EXPECT_LE(row["sensitivity"]["n"], 24);
  int64_t n_by_sex = 0;
  for (const auto& group : json["subgroups"]) {
    if (group["by"] == "sex" && group["n"].is_number()) n_by_sex += group["n"].get<int64_t>();
  }
  EXPECT_GT(n_by_sex, 0);
  EXPECT_LE(n_by_sex, 24);
  EXPECT_THAT(EvaluateModel(*model_, {.folder = folder, .validation = folder}),
              StatusIs(StatusCode::kFailedPrecondition, "chosen on films of other patients"));
  EXPECT_THAT(EvaluateModel(*model_, {.folder = folder, .validation = MakeSource("hospital-b", 8)}),
              StatusIs(StatusCode::kFailedPrecondition, "are needed to choose a threshold"));
}

TEST_F(InferTest, AFolderWithoutLabelsCannotBeJudged) {
  Open();
  const fs::path folder = TestFolder(2);
  fs::remove(folder / "labels.csv");
  EXPECT_THAT(EvaluateModel(*model_, {.folder = folder, .threads = 1}),
              StatusIs(StatusCode::kFailedPrecondition, "2 have no label"));
  EXPECT_THAT(EvaluateModel(*model_, {.folder = "/nowhere"}),
              StatusIs(StatusCode::kNotFound, "/nowhere"));
}

// Comparison on two small sites.
class CompareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.plan = SmallPlan("cxr-compare");
    options_.plan.rounds = 1;
    options_.initial_model = NewFolder("model0");
    WriteText(options_.initial_model / "model.safetensors",
              std::string(AsText(VersionZero(options_.plan))));
    options_.data = {MakeSource("hospital-a", 10), MakeSource("hospital-b", 8)};
    options_.test = TestFolder(24);
    options_.now_s = 1767225600;
  }
  CompareOptions options_;
};

TEST_F(CompareTest, JudgesLocalPooledAndSourceOnly) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, Compare(options_));
  const Json json = Json::parse(text);
  const Json& metrics = json["metrics"];
  ASSERT_EQ(metrics["local_only"].size(), 2u);
  for (const auto& [site, row] : metrics["local_only"].items()) {
    EXPECT_EQ(row["n"], 24) << site;
    EXPECT_TRUE(row.contains("ci95"));
  }
  EXPECT_EQ(metrics["pooled"]["n_train"], 18);
  EXPECT_EQ(metrics["pooled"]["n_samples_seen"], 18);  // one round of one epoch
  EXPECT_EQ(json["operating_point"]["rows"][0]["threshold"], 0.5);
  EXPECT_FALSE(json["subgroups"].empty());
  EXPECT_TRUE(metrics["source_only_baseline"].contains("balanced_accuracy"));
  EXPECT_FALSE(metrics.contains("federated"));
  EXPECT_EQ(json["leak_audit"]["split_overlap"], 0);
  EXPECT_FALSE(json["leak_audit"]["promoted"]);
  for (const char* row : {"border_baseline", "lungs_out_baseline", "thumbnail_baseline"}) {
    EXPECT_EQ(json["leak_audit"][row]["n_train"], 18) << row;
    EXPECT_EQ(json["leak_audit"][row]["model_better_by"]["n"], 24) << row;
  }
  EXPECT_EQ(json["leak_audit"]["baselines_against"], "pooled");
  EXPECT_TRUE(json["leak_audit"]["leave_one_out"].empty());
}

TEST_F(CompareTest, LeavesEachSourceOutAndJudgesTheNetworkThere) {
  options_.data = {MakeSource("hospital-a", 10), MakeSource("hospital-d", 8)};  // gwcmc, nih
  options_.leave_out = true;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, Compare(options_));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["metrics"]["local_only"].size(), 2u);  // they are not among the models
  const Json& left_out = json["leak_audit"]["leave_one_out"];
  ASSERT_EQ(left_out.size(), 2u);
  EXPECT_EQ(left_out["gwcmc"]["n_train"], 8);
  EXPECT_EQ(left_out["nih"]["n_train"], 10);
  EXPECT_EQ(left_out["nih"]["n_samples_seen"], 10);      // one round of one epoch
  EXPECT_EQ(json["leak_audit"]["left_out"].size(), 2u);  // the rows that the verdict rests on
  for (const auto& [source, row] : left_out.items()) {
    if (row["metrics"].is_object()) {
      EXPECT_LT(row["metrics"]["n"].get<int>(), 24) << source;
    } else {
      EXPECT_FALSE(row["reason"].get<std::string>().empty()) << source;
    }
  }
}

TEST_F(CompareTest, TheNumberOfWorkersDoesNotChangeTheFigures) {
  options_.workers = 1;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string one, Compare(options_));
  options_.workers = 2;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string two, Compare(options_));
  EXPECT_EQ(one, two);
}

TEST_F(CompareTest, ComparesWithTheFederatedModel) {
  Release release;
  MakeRelease(release);
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifiedModel model, Admit(release));
  options_.federated = &model;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, Compare(options_));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["model_sha256"], ToHex(model.sha256()));
  EXPECT_EQ(json["differences"].size(), 3u);
  EXPECT_EQ(json["differences"]["pooled"]["method"], "paired bootstrap");
  EXPECT_EQ(json["differences"]["pooled"]["auroc"]["n"], 24);
  EXPECT_EQ(json["leak_audit"]["baselines_against"], "federated");
  EXPECT_TRUE(json["leak_audit"]["lungs_out_auroc"].is_object());
}

TEST_F(CompareTest, AFilmInTrainingAndTestStopsIt) {
  fs::copy(options_.data[0] / "films/DEMO-A-0001_1.dcm", options_.test / "films/leak.dcm");
  WriteText(options_.test / "labels.csv",
            ReadText(options_.test / "labels.csv") + "leak.dcm,normal,gwcmc\n");
  EXPECT_THAT(Compare(options_), StatusIs(StatusCode::kFailedPrecondition, ""));
}

TEST_F(CompareTest, TrainsOnNobodyWithoutConsent) {
  fs::remove(options_.data[0] / "consent/DEMO-A-0001.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, Compare(options_));
  EXPECT_EQ(Json::parse(text)["metrics"]["pooled"]["n_train"], 17);
  fs::remove_all(options_.data[1] / "consent");
  EXPECT_THAT(Compare(options_), StatusIs(StatusCode::kFailedPrecondition, "8 lack the consent"));
}

TEST_F(CompareTest, StartsFromVersionZeroOnly) {
  Release release;
  MakeRelease(release);
  options_.initial_model = release.folder;
  EXPECT_THAT(Compare(options_), StatusIs(StatusCode::kInvalidArgument, "is of round 1"));
}

}  // namespace
}  // namespace hilum::client
