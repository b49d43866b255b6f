// Leaks that are planted on purpose: the audit must find them, and find nothing without them.
#include "evaluation/baselines.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "evaluation/ablation.h"
#include "evaluation/audit_verdict.h"
#include "evaluation/leak_audit.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

constexpr int kSide = 64;  // pixels

// Films of noise. The disease is a brighter centre; leaks are added by the tests.
struct World {
  std::vector<std::vector<float>> images;
  std::vector<int> labels;

  World(int n, uint64_t seed, float disease = 0.15f) {
    SeededRandom random = SeededRandom::For({seed});
    for (int i = 0; i < n; ++i) {
      labels.push_back(i % 2);
      std::vector<float> image(kSide * kSide);
      for (float& pixel : image) pixel = static_cast<float>(random.Uniform(0.2, 0.8));
      for (int y = 24; y < 40 && labels.back() == 1; ++y) {
        for (int x = 24; x < 40; ++x) image[y * kSide + x] += disease;
      }
      images.push_back(std::move(image));
    }
  }
  // A bright mark in the upper left corner: what a side letter or a label does.
  void Mark(size_t i) {
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 5; ++x) images[i][y * kSide + x] = 1;
    }
  }
  BaselineFilms Films(const std::vector<std::string>& sites) const {
    BaselineFilms films{2, kSide, kSide, {}};
    for (size_t i = 0; i < images.size(); ++i) {
      films.films.push_back(
          {images[i], labels[i], absl::StrCat("patient-", i), sites[i % sites.size()]});
    }
    return films;
  }
};

const std::vector<std::string> kMixed{"a", "a", "b", "b"};  // both classes at both sites

TEST(Baselines, FindADiseaseThatTheThumbnailShows) {
  const World train(200, 1), test(100, 2);
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions whole,
                             BaselinePredictions(train.Films(kMixed), test.Films(kMixed)));
  EXPECT_THAT(CheckPredictions(whole), IsOk());
  EXPECT_GT(*Auroc(whole, 1), 0.95);
  EXPECT_EQ(whole.labels, test.labels);
  EXPECT_EQ(whole.patients[3], "patient-3");
}

TEST(PlantedLeaks, ABorderMarkAClassIsFound) {
  World train(200, 3), test(100, 4);
  for (const bool marked : {false, true}) {
    for (World* world : {&train, &test}) {
      for (size_t i = 0; i < world->images.size() && marked; ++i) {
        if (world->labels[i] == 1) world->Mark(i);
      }
    }
    const BaselineFilms learn = train.Films(kMixed), judge = test.Films(kMixed);
    const Predictions model = *BaselinePredictions(learn, judge);
    HILUM_ASSERT_OK_AND_ASSIGN(const Predictions border,
                               BaselinePredictions(learn, judge, KeepBorder));
    HILUM_ASSERT_OK_AND_ASSIGN(const Baseline row, CompareBaseline(border, 200, &model));
    EXPECT_EQ(row.n_train, 200);
    EXPECT_EQ(row.auroc.n, 100);
    AuditRows rows;
    rows.border_baseline = row;
    const std::string reasons = absl::StrCat(::testing::PrintToString(Judge(rows).reasons));
    if (marked) {
      EXPECT_GT(row.auroc.value, 0.95);
      EXPECT_THAT(reasons, ::testing::HasSubstr("sees only the border"));
    } else {
      EXPECT_LT(row.auroc.value, 0.7);
      EXPECT_GT(row.model_better_by->ci95.low, 0);
      EXPECT_THAT(reasons, ::testing::Not(::testing::HasSubstr("sees only the border")));
    }
  }
}

TEST(PlantedLeaks, ADetectorAtEachSiteIsFound) {
  World world(160, 5);
  EXPECT_NEAR(PredictSite(world.Films(kMixed))->auroc.value, 0.5, 0.3);
  for (size_t i = 0; i < world.images.size(); ++i) {
    if (kMixed[i % kMixed.size()] == "b") world.Mark(i);
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const Baseline row, PredictSite(world.Films(kMixed)));
  EXPECT_GT(row.auroc.value, 0.95);
  EXPECT_EQ(row.n_train, 120);
  EXPECT_EQ(row.auroc.n, 40);
}

TEST(PlantedLeaks, OneClassASiteIsFoundWithoutAnyPixel) {
  const World train(80, 6), test(40, 7);
  std::vector<AuditedImage> images;
  for (size_t i = 0; i < train.images.size(); ++i) {
    images.push_back({.split = Split::kTrain,
                      .site = train.labels[i] == 1 ? "b" : "a",
                      .patient = absl::StrCat(i),
                      .sop = absl::StrCat(i),
                      .label = train.labels[i] == 1 ? "pneumonia" : "normal"});
  }
  const ClassBySite table = TabulateClassBySite(images, Split::kTrain);
  EXPECT_EQ(table.one_class_sites().size(), 2u);
  const Predictions model = *BaselinePredictions(train.Films({"a", "b"}), test.Films({"a", "b"}));
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions rule,
                             SourceRule(table, {"normal", "pneumonia"}, model));
  EXPECT_EQ(*BalancedAccuracy(Confuse(rule)), 1);
}

// The films of both worlds as the split of the audit sees them.
std::vector<AuditedImage> ImagesOf(const World& train, const World& test,
                                   const std::vector<std::string>& sites) {
  std::vector<AuditedImage> images;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const World& world = split == Split::kTrain ? train : test;
    for (size_t i = 0; i < world.images.size(); ++i) {
      const std::string name = absl::StrCat(split == Split::kTrain ? "train-" : "test-", i);
      images.push_back({split, sites[i % sites.size()], name, name,
                        world.labels[i] == 1 ? "pneumonia" : "normal",
                        *HashImage(world.images[i], kSide, kSide)});
    }
  }
  return images;
}

LeftOut LeaveOut(const std::string& site, BaselineFilms train, BaselineFilms test) {
  std::erase_if(train.films, [&](const BaselineFilm& film) { return film.site == site; });
  std::erase_if(test.films, [&](const BaselineFilm& film) { return film.site != site; });
  LeftOut row{.site = site, .n_train = static_cast<int64_t>(train.films.size())};
  const absl::StatusOr<Predictions> predictions = BaselinePredictions(train, test);
  const absl::StatusOr<Estimate> auroc =
      predictions.ok() ? MeanAurocOf(*predictions) : absl::StatusOr<Estimate>(predictions.status());
  if (auroc.ok()) row.auroc = *auroc;
  return row;
}

// Every row of the audit; the model is the regression on whole films.
AuditRows WholeAudit(const World& train, const World& test, const std::vector<std::string>& sites) {
  const BaselineFilms learn = train.Films(sites), judge = test.Films(sites);
  const Predictions model = *BaselinePredictions(learn, judge);
  AuditRows rows;
  EXPECT_THAT(RunBaselines(learn, judge, &model, rows), IsOk());
  const std::vector<AuditedImage> images = ImagesOf(train, test, sites);
  rows.split = AuditSplit(images);
  const Metric balanced = [](const Predictions& p) { return BalancedAccuracy(Confuse(p)); };
  rows.model_balanced_accuracy = *BootstrapByPatient(model, balanced);
  const Predictions rule =
      *SourceRule(TabulateClassBySite(images, Split::kTrain), {"normal", "pneumonia"}, model);
  const Estimate by_source = *BootstrapByPatient(rule, balanced);
  rows.source_only = SourceOnly{by_source, by_source};
  const std::pair<Ablate, std::optional<Estimate>*> ablations[] = {
      {BlackOutLungs, &rows.lungs_out_auroc},
      {KeepBorder, &rows.border_only_auroc},
      {ToThumbnail, &rows.thumbnail_auroc}};
  for (const auto& [ablate, row] : ablations) {
    World ablated = test;
    for (std::vector<float>& image : ablated.images) ablate(image, kSide, kSide);
    *row = *MeanAurocOf(*BaselinePredictions(learn, ablated.Films(sites)));
  }
  for (const char* site : {"a", "b"}) rows.left_out.push_back(LeaveOut(site, learn, judge));
  return rows;
}

TEST(PlantedLeaks, TheWholeAuditRefusesEachAndPromotesWithoutThem) {
  using ::testing::Contains, ::testing::HasSubstr;
  World train(400, 18), test(400, 19);
  EXPECT_THAT(Judge(WholeAudit(train, test, kMixed)).reasons, ::testing::IsEmpty());
  const Verdict one_class =
      Judge(WholeAudit(train, test, {"a", "b"}));  // labels take turns as well
  EXPECT_FALSE(one_class.promoted);
  EXPECT_THAT(one_class.reasons,
              Contains(HasSubstr("sees only the site reaches a balanced accuracy of 1.000")));
  for (World* world : {&train, &test}) {
    for (size_t i = 1; i < world->images.size(); i += 2) world->Mark(i);  // the second class
  }
  const Verdict marked = Judge(WholeAudit(train, test, kMixed));
  EXPECT_FALSE(marked.promoted);
  EXPECT_THAT(marked.reasons, Contains(HasSubstr("sees only the border reaches")));
  EXPECT_THAT(marked.reasons, Contains(HasSubstr("with the lungs blacked out the AUROC is 1.000")));
}

TEST(RunBaselines, FillsEachRowOrSaysWhyNot) {
  const World train(80, 16), test(40, 17);
  const BaselineFilms learn = train.Films(kMixed), judge = test.Films(kMixed);
  const Predictions model = *BaselinePredictions(learn, judge);
  AuditRows rows;
  HILUM_ASSERT_OK_AND_ASSIGN(auto notes, RunBaselines(learn, judge, &model, rows));
  EXPECT_THAT(notes, ::testing::IsEmpty());
  EXPECT_TRUE(rows.site_prediction && rows.border_baseline && rows.lungs_out_baseline &&
              rows.thumbnail_baseline->model_better_by);
  EXPECT_EQ(rows.thumbnail_baseline->model_better_by->value, 0);  // it is this very regression
  rows = {};
  HILUM_ASSERT_OK_AND_ASSIGN(notes, RunBaselines(train.Films({"a"}), judge, nullptr, rows));
  EXPECT_THAT(notes, ::testing::ElementsAre(::testing::HasSubstr("site prediction: the films")));
  EXPECT_FALSE(rows.site_prediction.has_value());
  EXPECT_FALSE(rows.border_baseline->model_better_by.has_value());
}

TEST(Baselines, ThreeSitesGetTheMeanOverSites) {
  World world(240, 8);
  for (size_t i = 0; i < world.images.size(); ++i) {
    if (i % 3 == 2) world.Mark(i);
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const Baseline row, PredictSite(world.Films({"a", "b", "c"})));
  EXPECT_EQ(row.auroc.method, "bootstrap by patient");
  EXPECT_GT(row.auroc.value, 0.6);  // c is found, a and b are the same
  EXPECT_LT(row.auroc.value, 0.95);
}

TEST(Baselines, TheSameFilmsGiveTheSameNumbers) {
  const World train(40, 9), test(20, 10);
  EXPECT_EQ(BaselinePredictions(train.Films(kMixed), test.Films(kMixed))->probabilities,
            BaselinePredictions(train.Films(kMixed), test.Films(kMixed))->probabilities);
}

TEST(Baselines, BlackFilmsTeachNothing) {
  World black(40, 11);
  for (auto& image : black.images) std::ranges::fill(image, 0.0f);
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions p,
                             BaselinePredictions(black.Films(kMixed), black.Films(kMixed)));
  EXPECT_EQ(*Auroc(p, 1), 0.5);
}

TEST(Baselines, RefusesFilmsThatDoNotFit) {
  World world(20, 12);
  BaselineFilms films = world.Films(kMixed);
  films.films[4].pixels = films.films[4].pixels.subspan(1);
  EXPECT_THAT(BaselinePredictions(films, films),
              StatusIs(absl::StatusCode::kInvalidArgument, "film 4 of a baseline has 4095"));
  films = world.Films(kMixed);
  films.films[5].label = 2;
  EXPECT_THAT(BaselinePredictions(films, films),
              StatusIs(absl::StatusCode::kInvalidArgument, "the label 2"));
  films = world.Films(kMixed);
  films.n_classes = 1;
  EXPECT_THAT(BaselinePredictions(films, films),
              StatusIs(absl::StatusCode::kInvalidArgument, "of 1 classes"));
  films = world.Films(kMixed);
  BaselineFilms other = films;
  other.n_classes = 3;
  EXPECT_THAT(BaselinePredictions(films, other),
              StatusIs(absl::StatusCode::kInvalidArgument, "must be the same"));
  world.images[3][7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(BaselinePredictions(world.Films(kMixed), world.Films(kMixed)),
              StatusIs(absl::StatusCode::kDataLoss, "film 3"));
}

TEST(Baselines, NeedEnoughToLearnFrom) {
  const World few(6, 13), many(20, 14);
  EXPECT_THAT(BaselinePredictions(few.Films(kMixed), many.Films(kMixed)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "has 6 films of 2 classes"));
  World one(20, 15);
  std::ranges::fill(one.labels, 0);
  EXPECT_THAT(BaselinePredictions(one.Films(kMixed), many.Films(kMixed)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "of 1 classes"));
  EXPECT_THAT(PredictSite(many.Films({"a"})),
              StatusIs(absl::StatusCode::kFailedPrecondition, "of 1 sites"));
}

}  // namespace
}  // namespace hilum::evaluation
