#include "client/sealed_file.h"

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

class SealedFileTest : public testing::Test {
 protected:
  SealedFile At(const char* purpose = "weights 1") const {
    return {.path = path_, .secret = secret_, .purpose = purpose};
  }
  const fs::path path_ = NewFolder("sealed") / "file";
  const SiteSecret secret_ = TestSecret();
};

TEST_F(SealedFileTest, OpensWhereItWasSealedAndNowhereElse) {
  const Bytes plaintext(1000, 42);
  HILUM_ASSERT_OK(WriteSealed(At(), plaintext));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes read, ReadSealed(At(), 1000));
  EXPECT_EQ(read, plaintext);
  const std::string on_disk = ReadText(path_);
  EXPECT_EQ(on_disk.find(std::string(8, 42)), std::string::npos) << "it is not in the clear";
  EXPECT_THAT(ReadSealed(At("weights 2"), 1000), StatusIs(StatusCode::kDataLoss, "damaged"));
  SiteSecret other = secret_;
  other.bytes[0] ^= 1;
  EXPECT_THAT(ReadSealed({.path = path_, .secret = other, .purpose = "weights 1"}, 1000),
              StatusIs(StatusCode::kDataLoss, "this site did not write it"));
  const auto mode = fs::status(path_).permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

TEST_F(SealedFileTest, NeverUsesAKeyTwice) {
  HILUM_ASSERT_OK(WriteSealed(At(), Bytes(100, 1)));
  const std::string first = ReadText(path_);
  HILUM_ASSERT_OK(WriteSealed(At(), Bytes(100, 1)));
  EXPECT_NE(ReadText(path_).substr(32), first.substr(32));
}

TEST_F(SealedFileTest, ThatIsDamagedCutOrTooLongIsDataLoss) {
  EXPECT_THAT(ReadSealed(At(), 10), StatusIs(StatusCode::kNotFound, ""));
  HILUM_ASSERT_OK(WriteSealed(At(), Bytes(100, 1)));
  EXPECT_THAT(ReadSealed(At(), 99), StatusIs(StatusCode::kDataLoss, ""));
  const std::string good = ReadText(path_);
  for (const size_t at : {size_t{0}, size_t{40}, good.size() - 1}) {
    std::string text = good;
    text[at] ^= 1;
    WriteText(path_, text);
    EXPECT_THAT(ReadSealed(At(), 100), StatusIs(StatusCode::kDataLoss, "damaged"));
  }
  WriteText(path_, good.substr(0, 47));
  EXPECT_THAT(ReadSealed(At(), 100), StatusIs(StatusCode::kDataLoss, "damaged"));
}

}  // namespace
}  // namespace hilum::client
