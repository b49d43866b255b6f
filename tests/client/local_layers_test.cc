#include "client/local_layers.h"

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using Values = std::vector<float>;

ModelSpec Spec(int64_t n = 4) {
  return {.architecture = "net",
          .tensors = {{.name = "norm.weight", .shape = {n}, .offset = 0, .size = n}}};
}

class LocalLayersTest : public testing::Test {
 protected:
  LocalLayers Layers(const std::string& job = "cxr-1") const { return {root_, job, secret_}; }
  fs::path File(int round) const { return root_ / "cxr-1" / (std::to_string(round) + ".layers"); }
  const fs::path root_ = NewFolder("layers") / "local";
  const SiteSecret secret_ = TestSecret();
};

TEST_F(LocalLayersTest, AreOfTheNewestRoundBefore) {
  EXPECT_EQ(*Layers().Before(1, Spec()), std::nullopt);
  HILUM_ASSERT_OK(Layers().Keep(9, Spec(), Values(4, 9)));
  HILUM_ASSERT_OK(Layers().Keep(10, Spec(), Values(4, 10)));
  EXPECT_EQ(*Layers().Before(12, Spec()), Values(4, 10));
  EXPECT_EQ(*Layers().Before(10, Spec()), Values(4, 9)) << "round 10 is trained again";
  EXPECT_EQ(*Layers("cxr-2").Before(12, Spec()), std::nullopt);
}

TEST_F(LocalLayersTest, OfTwoRoundsAreKept) {
  for (uint64_t round = 1; round <= 4; ++round) {
    HILUM_ASSERT_OK(Layers().Keep(round, Spec(), Values(4, 1)));
  }
  EXPECT_FALSE(fs::exists(File(2)));
  EXPECT_TRUE(fs::exists(File(3)));
  HILUM_ASSERT_OK(Layers().Keep(2, Spec(), Values(4, 2)));  // the server went back
  EXPECT_FALSE(fs::exists(File(4)));
  EXPECT_EQ(*Layers().Before(5, Spec()), Values(4, 2));
}

TEST_F(LocalLayersTest, AWrongFileIsRefusedOnceAndSetAside) {
  HILUM_ASSERT_OK(Layers().Keep(1, Spec(), Values(4, 1)));
  HILUM_ASSERT_OK(Layers().Keep(2, Spec(), Values(4, 2)));
  std::string text = ReadText(File(2));
  text[50] ^= 1;
  WriteText(File(2), text);
  EXPECT_THAT(Layers().Before(3, Spec()),
              StatusIs(StatusCode::kDataLoss, "it is set aside as " + File(2).string()));
  EXPECT_EQ(ReadText(File(2).string() + ".refused"), text) << "nothing is lost";
  EXPECT_EQ(*Layers().Before(3, Spec()), Values(4, 1));
}

TEST_F(LocalLayersTest, OfAnotherRoundSiteOrNetworkAreWrong) {
  HILUM_ASSERT_OK(Layers().Keep(1, Spec(), Values(4, 1)));
  fs::copy(File(1), File(2));
  EXPECT_THAT(Layers().Before(3, Spec()), StatusIs(StatusCode::kDataLoss, "damaged, or this site"));
  EXPECT_THAT(Layers().Before(3, Spec(5)), StatusIs(StatusCode::kDataLoss, "of another network"));
  EXPECT_EQ(*Layers().Before(3, Spec()), std::nullopt);
}

}  // namespace
}  // namespace hilum::client
