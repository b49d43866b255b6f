#include "evaluation/leak_audit.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "evaluation/ablation.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kSide = 96;

// A smooth picture that follows from `seed`: some waves of low frequency.
std::vector<float> Picture(uint64_t seed, int side = kSide) {
  SeededRandom random = SeededRandom::For({seed});
  struct Wave {
    double fx, fy, phase;
  };
  std::vector<Wave> waves;
  for (int i = 0; i < 12; ++i) {
    waves.push_back({random.Uniform(0, 25), random.Uniform(0, 25), random.Uniform(0, 6.28)});
  }
  std::vector<float> pixels;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      double value = 0;
      for (const Wave& wave : waves) {
        value += std::sin(wave.fx * x / side + wave.fy * y / side + wave.phase);
      }
      pixels.push_back(static_cast<float>(0.5 + value / 24));
    }
  }
  return pixels;
}

AuditedImage Image(Split split, const std::string& site, const std::string& patient,
                   const std::string& label, uint64_t picture) {
  return {split,   site,
          patient, absl::StrCat("sop-", patient, "-", picture),
          label,   *HashImage(Picture(picture), kSide, kSide)};
}

// Two sites with both classes; nothing leaks.
std::vector<AuditedImage> CleanImages() {
  std::vector<AuditedImage> images;
  for (uint64_t i = 0; i < 16; ++i) {
    images.push_back(Image(i % 4 == 3 ? Split::kTest : Split::kTrain,
                           i < 8 ? "hospital-a" : "hospital-b", absl::StrCat("patient-", i),
                           i % 2 == 0 ? "normal" : "pneumonia", i));
  }
  return images;
}

TEST(HashImage, SurvivesScalingWindowingAndNoise) {
  const std::vector<float> pixels = Picture(1);
  const PerceptualHash hash = *HashImage(pixels, kSide, kSide);
  std::vector<float> windowed = pixels;
  for (float& value : windowed) value = 3 * value + 100;
  EXPECT_LE(Distance(hash, *HashImage(windowed, kSide, kSide)), 2);
  EXPECT_LE(Distance(hash, *HashImage(Picture(1, 200), 200, 200)), kNearDuplicateBits);
  SeededRandom random(5);
  std::vector<float> noisy = pixels;
  for (float& value : noisy) value += static_cast<float>(random.Uniform(-0.02, 0.02));
  EXPECT_LE(Distance(hash, *HashImage(noisy, kSide, kSide)), kNearDuplicateBits);
}

TEST(HashImage, TellsPicturesApart) {
  for (uint64_t a = 0; a < 12; ++a) {
    for (uint64_t b = 0; b < a; ++b) {
      EXPECT_GT(
          Distance(*HashImage(Picture(a), kSide, kSide), *HashImage(Picture(b), kSide, kSide)),
          3 * kNearDuplicateBits);
    }
  }
}

TEST(HashImage, RefusesWrongSizes) {
  const std::vector<float> pixels(16 * 20);
  EXPECT_THAT(HashImage(pixels, 16, 20), StatusIs(absl::StatusCode::kInvalidArgument, "16 x 20"));
  EXPECT_THAT(HashImage(pixels, 20, 20),
              StatusIs(absl::StatusCode::kInvalidArgument, "320 values"));
}

TEST(AuditSplit, PassesADisjointSplit) {
  const SplitAudit audit = AuditSplit(CleanImages());
  EXPECT_THAT(audit.overlaps, IsEmpty());
  EXPECT_EQ(audit.n_train, 12);
  EXPECT_EQ(audit.n_test, 4);
  EXPECT_THAT(RequireDisjoint(audit), IsOk());
}

TEST(AuditSplit, StopsOnAPatientOnBothSides) {
  std::vector<AuditedImage> images = CleanImages();
  images.push_back(Image(Split::kTest, "hospital-a", "patient-4", "normal", 99));
  const SplitAudit audit = AuditSplit(images);
  ASSERT_EQ(audit.n_overlaps, 1);
  EXPECT_EQ(audit.overlaps[0].kind, "patient");
  EXPECT_EQ(audit.overlaps[0].train, 4);
  EXPECT_EQ(audit.overlaps[0].test, 16);
  EXPECT_THAT(RequireDisjoint(audit),
              StatusIs(absl::StatusCode::kFailedPrecondition, "share 1 pairs"));
}

TEST(AuditSplit, StopsOnTheSameFilmOnBothSides) {
  std::vector<AuditedImage> images = CleanImages();
  AuditedImage copy = images[4];
  copy.split = Split::kTest;
  images.push_back(copy);
  EXPECT_EQ(AuditSplit(images).overlaps.at(0).kind, "sop");
}

TEST(AuditSplit, StopsOnANearDuplicateUnderAnotherName) {
  std::vector<AuditedImage> images = CleanImages();
  AuditedImage copy = Image(Split::kTest, "hospital-b", "somebody-else", "normal", 77);
  std::vector<float> pixels = Picture(4);
  for (float& value : pixels) value = 0.9f * value + 0.05f;
  copy.hash = *HashImage(pixels, kSide, kSide);
  images.push_back(copy);
  const SplitAudit audit = AuditSplit(images);
  ASSERT_EQ(audit.n_overlaps, 1);
  EXPECT_EQ(audit.overlaps[0].kind, "near-duplicate");
}

TEST(AuditSplit, CountsAllOverlapsButKeepsAHundred) {
  std::vector<AuditedImage> images;
  for (int i = 0; i < 20; ++i) {
    images.push_back(Image(i % 2 == 0 ? Split::kTrain : Split::kTest, "a", "one", "normal", 1));
  }
  for (size_t i = 0; i < images.size(); ++i) images[i].sop = absl::StrCat(i);
  for (int i = 0; i < 1; ++i) images.push_back(images[0]);
  const SplitAudit audit = AuditSplit(images);
  EXPECT_EQ(audit.n_overlaps, 110);
  EXPECT_EQ(audit.overlaps.size(), static_cast<size_t>(kMaxOverlaps));
}

TEST(ClassBySite, CountsAndNamesSitesOfOneClass) {
  std::vector<AuditedImage> images = CleanImages();
  images.push_back(Image(Split::kTrain, "hannover", "patient-x", "pneumonia", 50));
  const ClassBySite table = TabulateClassBySite(images, Split::kTrain);
  EXPECT_THAT(table.sites, ElementsAre("hannover", "hospital-a", "hospital-b"));
  EXPECT_THAT(table.labels, ElementsAre("normal", "pneumonia"));
  EXPECT_THAT(table.counts, ElementsAre(0, 1, 4, 2, 4, 2));
  EXPECT_THAT(table.one_class_sites(), ElementsAre("hannover"));
}

// docs/models.md, "Judgement": in COVIDx 8B a rule that reads only the source scores 400 of 400.
TEST(BestSourceRule, ReachesEverythingWhereSourceAndClassAreOne) {
  const ClassBySite covidx{{"ricord", "rsna"}, {"covid", "normal"}, {200, 0, 0, 200}};
  HILUM_ASSERT_OK_AND_ASSIGN(const SourceOnly rule, BestSourceRule(covidx));
  EXPECT_EQ(rule.accuracy.value, 1);
  EXPECT_EQ(rule.accuracy.n, 400);
  EXPECT_EQ(rule.balanced_accuracy.value, 1);
}

TEST(BestSourceRule, IsAtChanceWhereSitesHaveTheSameClasses) {
  const ClassBySite even{{"a", "b"}, {"normal", "pneumonia"}, {30, 10, 60, 20}};
  HILUM_ASSERT_OK_AND_ASSIGN(const SourceOnly rule, BestSourceRule(even));
  EXPECT_EQ(rule.accuracy.value, 0.75);  // all normal
  EXPECT_EQ(rule.balanced_accuracy.value, 0.5);
}

TEST(BestSourceRule, NeedsTwoClasses) {
  EXPECT_THAT(BestSourceRule({{"a"}, {"normal"}, {3}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "there are 1"));
}

TEST(SourceRule, JudgesOtherCasesByTheirSite) {
  const ClassBySite train{{"a", "b"}, {"normal", "pneumonia"}, {30, 10, 10, 10}};
  const Predictions test{2, {1, 0, 1}, {.5, .5, .5, .5, .5, .5}, {}, {"a", "b", "new"}};
  HILUM_ASSERT_OK_AND_ASSIGN(const Predictions rule,
                             SourceRule(train, {"pneumonia", "normal"}, test));
  // Shares of the site a: 10/20 of the pneumonias, 30/40 of the normals.
  EXPECT_NEAR(rule.probability(0, 0), 0.4, 1e-12);
  EXPECT_NEAR(rule.probability(0, 1), 0.6, 1e-12);
  EXPECT_GT(rule.probability(1, 0), 0.5);
  EXPECT_EQ(rule.probability(2, 0), 0.5);
  EXPECT_EQ(rule.labels, test.labels);
  EXPECT_THAT(SourceRule(train, {"normal"}, test),
              StatusIs(absl::StatusCode::kInvalidArgument, "2 classes"));
  Predictions without = test;
  without.sites.clear();
  EXPECT_THAT(SourceRule(train, {"pneumonia", "normal"}, without),
              StatusIs(absl::StatusCode::kInvalidArgument, "it got 0"));
}

TEST(Ablation, TakesAwayWhatItSays) {
  std::vector<float> pixels(100 * 100, 1.0f);
  BlackOutLungs(pixels, 100, 100);
  EXPECT_EQ(std::ranges::count(pixels, 1.0f), 10000 - 70 * 70);
  EXPECT_EQ(pixels[14 * 100 + 50], 1);
  EXPECT_EQ(pixels[15 * 100 + 50], 0);
  EXPECT_EQ(pixels[84 * 100 + 50], 0);
  EXPECT_EQ(pixels[85 * 100 + 50], 1);
  KeepBorder(pixels, 100, 100);
  EXPECT_EQ(std::ranges::count(pixels, 1.0f), 10000 - 80 * 80);
  std::vector<float> tiny(4 * 4, 1.0f);
  KeepBorder(tiny, 4, 4);
  EXPECT_EQ(std::ranges::count(tiny, 0.0f), 4);
}

TEST(Ablation, AThumbnailKeepsMeansOnly) {
  std::vector<float> pixels(64 * 64);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = i % 2 == 0 ? 0.0f : 1.0f;
  ToThumbnail(pixels, 64, 64);
  EXPECT_TRUE(std::ranges::all_of(pixels, [](float value) { return value == 0.5f; }));
  std::vector<float> small(20 * 20, 0.25f);
  ToThumbnail(small, 20, 20);
  EXPECT_EQ(std::ranges::count(small, 0.25f), 400);
}

}  // namespace
}  // namespace hilum::evaluation
