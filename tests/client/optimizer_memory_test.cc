#include "client/optimizer_memory.h"

#include <vector>

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

constexpr int64_t kParams = 5;

Digest Films(uint8_t first) {
  Digest digest{};
  digest[0] = first;
  return digest;
}

models::OptimizerMemory Memory(int64_t n_steps) {
  const auto value = static_cast<float>(n_steps);
  return {.n_steps = n_steps,
          .first = std::vector<float>(kParams, value),
          .second = std::vector<float>(kParams, value + 0.5f)};
}

size_t FilesIn(const fs::path& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& file : fs::directory_iterator(folder)) ++n;
  return n;
}

class KeptOptimizer : public testing::Test {
 protected:
  OptimizerFolder Folder(const std::string& job = "cxr-1", uint8_t films = 1) {
    return {root_, job, Films(films)};
  }
  const fs::path root_ = NewFolder("optimizer") / "optimizer";
};

TEST_F(KeptOptimizer, IsOfTheNewestRoundBefore) {
  EXPECT_EQ(Folder().Before(1, kParams).n_steps, 0);
  HILUM_ASSERT_OK(Folder().Keep(9, Memory(90)));
  HILUM_ASSERT_OK(Folder().Keep(10, Memory(100)));
  const models::OptimizerMemory newest = Folder().Before(12, kParams);
  EXPECT_EQ(newest.n_steps, 100);
  EXPECT_EQ(newest.first, Memory(100).first);
  EXPECT_EQ(newest.second, Memory(100).second);
  EXPECT_EQ(Folder().Before(10, kParams).n_steps, 90) << "round 10 is trained again";
  EXPECT_EQ(Folder("cxr-2").Before(12, kParams).n_steps, 0);
}

TEST_F(KeptOptimizer, OfMomentumHasOnePart) {
  models::OptimizerMemory memory = Memory(3);
  memory.second.clear();
  HILUM_ASSERT_OK(Folder().Keep(1, memory));
  EXPECT_EQ(Folder().Before(2, kParams).first, memory.first);
  EXPECT_TRUE(Folder().Before(2, kParams).second.empty());
}

TEST_F(KeptOptimizer, OfOtherFilmsIsDeleted) {
  HILUM_ASSERT_OK(Folder().Keep(1, Memory(1)));
  HILUM_ASSERT_OK(Folder().Keep(2, Memory(2)));
  EXPECT_EQ(Folder("cxr-1", 2).Before(3, kParams).n_steps, 0);
  EXPECT_EQ(FilesIn(root_ / "cxr-1"), 0u);
}

TEST_F(KeptOptimizer, ThatIsDamagedOrOfAnotherNetworkIsNotUsed) {
  HILUM_ASSERT_OK(Folder().Keep(1, Memory(1)));
  EXPECT_EQ(Folder().Before(2, kParams + 1).n_steps, 0);
  HILUM_ASSERT_OK(Folder().Keep(1, Memory(1)));
  HILUM_ASSERT_OK(Folder().Keep(2, Memory(2)));
  WriteText(root_ / "cxr-1" / "2.safetensors", "not a file of tensors");
  EXPECT_EQ(Folder().Before(3, kParams).n_steps, 1);
}

TEST_F(KeptOptimizer, DoesNotPileUp) {
  for (uint64_t round = 1; round <= 4; ++round) HILUM_ASSERT_OK(Folder().Keep(round, Memory(1)));
  EXPECT_EQ(FilesIn(root_ / "cxr-1"), 2u);
  HILUM_ASSERT_OK(Folder().Keep(2, Memory(1)));  // the server went back to an older round
  EXPECT_EQ(FilesIn(root_ / "cxr-1"), 1u);
  for (int job = 0; job < 12; ++job) {
    HILUM_ASSERT_OK(Folder("job-" + std::to_string(job)).Keep(1, Memory(1)));
  }
  EXPECT_EQ(FilesIn(root_), 8u);
  EXPECT_EQ(Folder("job-11").Before(2, kParams).n_steps, 1);
}

TEST_F(KeptOptimizer, IsOfTheSiteOnly) {
  HILUM_ASSERT_OK(Folder().Keep(1, Memory(1)));
  const auto mode = fs::status(root_ / "cxr-1" / "1.safetensors").permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

}  // namespace
}  // namespace hilum::client
