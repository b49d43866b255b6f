#include "base/bytes.h"

#include "tests/status_matchers.h"

namespace hilum {
namespace {

TEST(Hex, ComesBackAsItWas) {
  const Bytes bytes = {0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(ToHex(bytes), "000fa5ff");
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes back, FromHex("000fa5ff"));
  EXPECT_EQ(back, bytes);
}

TEST(Hex, RefusesWhatIsNotOneSpelling) {
  EXPECT_THAT(FromHex("0"), StatusIs(absl::StatusCode::kInvalidArgument, "1 digits"));
  EXPECT_THAT(FromHex("0A"), StatusIs(absl::StatusCode::kInvalidArgument, "0-9a-f"));
  EXPECT_THAT(FromHex("zz"), StatusIs(absl::StatusCode::kInvalidArgument, "0-9a-f"));
}

TEST(Hex, RefusesADigestOfAnotherLength) {
  EXPECT_THAT(DigestFromHex("00"), StatusIs(absl::StatusCode::kInvalidArgument, "has 2"));
  EXPECT_THAT(DigestFromHex(std::string(64, 'f')), IsOk());
}

TEST(Append, WritesBigEndian) {
  Bytes out;
  AppendU8(out, 0x01);
  AppendU16(out, 0x0203);
  AppendU32(out, 0x04050607);
  AppendU64(out, 0x08090a0b0c0d0e0fULL);
  AppendF64(out, 1.0);
  AppendText(out, "a");
  EXPECT_EQ(ToHex(out), "0102030405060708090a0b0c0d0e0f3ff000000000000061");
}

}  // namespace
}  // namespace hilum
