#include "proto/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

using absl::StatusCode;

ModelSpec Spec() {
  return {.architecture = "test-net",
          .tensors = {{.name = "a", .shape = {2, 3}, .offset = 0, .size = 6},
                      {.name = "b", .shape = {}, .offset = 6, .size = 1},
                      {.name = "c", .shape = {2}, .offset = 7, .size = 2}}};
}
std::vector<float> Values() { return {1, 2, 3, 4, 5, 6, 7, 8, 9}; }

// A file with this header and `data_bytes` bytes of zeros.
Bytes FileOf(absl::string_view header, size_t data_bytes) {
  Bytes file(8);
  const uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  AppendText(file, header);
  file.resize(file.size() + data_bytes);
  return file;
}

std::string Tensor(absl::string_view name, absl::string_view shape, int begin, int end,
                   absl::string_view dtype = "F32") {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
                      ",\"data_offsets\":[", begin, ",", end, "]}");
}
constexpr char kMeta[] = "\"__metadata__\":{\"architecture\":\"n\"}";

absl::Status Parse(absl::string_view header, size_t data_bytes) {
  return ParseSafetensors(FileOf(header, data_bytes)).status();
}

TEST(Safetensors, TheBytesAreCanonical) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file,
                             EncodeSafetensors(Spec(), Values(), {{"round", "1"}, {"job", "x"}}));
  const std::string header =
      "{\"__metadata__\":{\"architecture\":\"test-net\",\"job\":\"x\",\"round\":\"1\"},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]},"
      "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[28,36]}}";
  const size_t padded = (header.size() + 7) / 8 * 8;
  ASSERT_EQ(file.size(), 8 + padded + 36);
  EXPECT_EQ(AsText(ByteView(file).subspan(8, header.size())), header);
  EXPECT_EQ(AsText(ByteView(file).subspan(8 + header.size(), padded - header.size())),
            std::string(padded - header.size(), ' '));
}

TEST(Safetensors, ReadsWhatItWrites) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file,
                             EncodeSafetensors(Spec(), Values(), {{"origin", "ö/ledger \"x\""}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const SafetensorsFile read, ParseSafetensorsAs(file, Spec()));
  EXPECT_EQ(read.spec, Spec());
  EXPECT_EQ(read.flat, Values());
  EXPECT_EQ(read.metadata.at("origin"), "ö/ledger \"x\"");
}

TEST(Safetensors, ReadsAFileOfPythonsLibrary) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Bytes file,
      ReadFile(fs::path(HILUM_SOURCE_DIR) / "tests/vectors/proto/python.safetensors", 4096));
  HILUM_ASSERT_OK_AND_ASSIGN(const SafetensorsFile read, ParseSafetensors(file));
  EXPECT_EQ(read.metadata.at("round"), "3");
  ASSERT_EQ(read.spec.tensors.size(), 3u);
  for (const TensorSpec& tensor : read.spec.tensors) {
    if (tensor.name == "head.weight") {
      EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 3}));
      EXPECT_EQ(read.flat[tensor.offset + 5], 1.25f);
    }
    if (tensor.name == "head.bias") {
      EXPECT_EQ(read.flat[tensor.offset + 1], -2.0f);
    }
    if (tensor.name == "scale") {
      EXPECT_TRUE(tensor.shape.empty());
    }
  }
}

TEST(Safetensors, TheOrderOfTheSpecHoldsWhateverTheOrderInTheFile) {
  const std::string header = absl::StrCat(
      "{", Tensor("c", "[2]", 0, 8), ",\"__metadata__\":{\"architecture\":\"test-net\"},",
      Tensor("a", "[2,3]", 8, 32), ",", Tensor("b", "[]", 32, 36), "}");
  Bytes file = FileOf(header, 36);
  const std::vector<float> data = {8, 9, 1, 2, 3, 4, 5, 6, 7};
  std::memcpy(file.data() + file.size() - 36, data.data(), 36);
  HILUM_ASSERT_OK_AND_ASSIGN(const SafetensorsFile read, ParseSafetensorsAs(file, Spec()));
  EXPECT_EQ(read.flat, Values());
  EXPECT_EQ(read.spec, Spec());
}

TEST(Safetensors, AnotherLayoutIsNamed) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, EncodeSafetensors(Spec(), Values(), {}));
  ModelSpec other = Spec();
  other.tensors[0].shape = {3, 2};
  EXPECT_THAT(ParseSafetensorsAs(file, other),
              StatusIs(StatusCode::kInvalidArgument,
                       "tensor a has the shape [2,3] in the file, wanted is [3,2]"));
  other = Spec();
  other.tensors[2].name = "d";
  EXPECT_THAT(ParseSafetensorsAs(file, other),
              StatusIs(StatusCode::kInvalidArgument, "tensor d has the shape none"));
  other = Spec();
  other.architecture = "else";
  EXPECT_THAT(ParseSafetensorsAs(file, other),
              StatusIs(StatusCode::kInvalidArgument, "wanted is else"));
}

TEST(Safetensors, EveryValueMustBeFinite) {
  std::vector<float> values = Values();
  values[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(EncodeSafetensors(Spec(), values, {}),
              StatusIs(StatusCode::kDataLoss, "value 0 of tensor c is nan"));
  HILUM_ASSERT_OK_AND_ASSIGN(Bytes file, EncodeSafetensors(Spec(), Values(), {}));
  const float infinity = std::numeric_limits<float>::infinity();
  std::memcpy(file.data() + file.size() - 4, &infinity, 4);
  EXPECT_THAT(ParseSafetensors(file),
              StatusIs(StatusCode::kDataLoss, "value 1 of tensor c is inf"));
}

TEST(Safetensors, GapsOverlapsAndWrongEndsAreRefused) {
  HILUM_EXPECT_OK(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[1]", 0, 4), "}"), 4));
  EXPECT_THAT(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[1]", 4, 8), "}"), 8),
              StatusIs(StatusCode::kDataLoss, "gap or overlap before tensor a"));
  EXPECT_THAT(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[2]", 0, 8), ",",
                                 Tensor("b", "[1]", 4, 8), "}"),
                    8),
              StatusIs(StatusCode::kDataLoss, "gap or overlap before tensor b"));
  EXPECT_THAT(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[1]", 0, 4), "}"), 8),
              StatusIs(StatusCode::kDataLoss, "describes 4 bytes of data, the file has 8"));
  EXPECT_THAT(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[3]", 0, 12), "}"), 8),
              StatusIs(StatusCode::kDataLoss, "describes 12 bytes"));
  EXPECT_THAT(Parse(absl::StrCat("{", kMeta, ",", Tensor("a", "[2]", 0, 4), "}"), 4),
              StatusIs(StatusCode::kDataLoss, "ends at 4, its shape ends at 8"));
}

TEST(Safetensors, WhatIsNotFloat32OrIsHostileIsRefused) {
  const auto one = [](absl::string_view tensor) {
    return Parse(absl::StrCat("{", kMeta, ",", tensor, "}"), 4);
  };
  EXPECT_THAT(one(Tensor("a", "[2]", 0, 4, "F16")), StatusIs(StatusCode::kDataLoss, "only F32"));
  EXPECT_THAT(one(Tensor("a", "[0]", 0, 0)), StatusIs(StatusCode::kDataLoss, "extent of 0"));
  EXPECT_THAT(one(Tensor("a", "[4294967296,4294967296]", 0, 4)),
              StatusIs(StatusCode::kDataLoss, "extent of 4294967296"));
  EXPECT_THAT(one(Tensor("a", "[18446744073709551615]", 0, 4)),
              StatusIs(StatusCode::kDataLoss, "extent of"));
  EXPECT_THAT(one(Tensor("a", "[99999999999999999999]", 0, 4)),
              StatusIs(StatusCode::kDataLoss, "too large number"));
  EXPECT_THAT(one(Tensor("a", "[-1]", 0, 4)), StatusIs(StatusCode::kDataLoss, "negative"));
  EXPECT_THAT(one(Tensor("a", "[1,1,1,1,1,1,1,1,1]", 0, 4)),
              StatusIs(StatusCode::kDataLoss, "over 8 numbers"));
  EXPECT_THAT(one("\"a\":{\"dtype\":\"F32\",\"shape\":[1]}"),
              StatusIs(StatusCode::kDataLoss, "without dtype, shape and data_offsets"));
  EXPECT_THAT(one(absl::StrCat(Tensor("a", "[1]", 0, 4), ",", Tensor("a", "[1]", 0, 4))),
              StatusIs(StatusCode::kDataLoss, "doubled key"));
  EXPECT_THAT(one("\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}"),
              StatusIs(StatusCode::kDataLoss, "doubled key"));
  EXPECT_THAT(one("\"a\":{\"x\":{}}"), StatusIs(StatusCode::kDataLoss, "unknown key"));
  EXPECT_THAT(one("\"a\":{\"shape\":{}}"), StatusIs(StatusCode::kDataLoss, "nested too deeply"));
  EXPECT_THAT(one("\"a\":[1]"), StatusIs(StatusCode::kDataLoss, "list out of place"));
  EXPECT_THAT(one("\"a\":{\"dtype\":null}"), StatusIs(StatusCode::kDataLoss, "null"));
  EXPECT_THAT(one("\"\\u00e9\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"),
              StatusIs(StatusCode::kDataLoss, "printable"));
}

TEST(Safetensors, LengthsOfTheHeaderAreChecked) {
  EXPECT_THAT(ParseSafetensors(Bytes(7)), StatusIs(StatusCode::kDataLoss, "shorter than 8"));
  Bytes huge(16);
  const uint64_t length = ~uint64_t{0};
  std::memcpy(huge.data(), &length, 8);
  EXPECT_THAT(ParseSafetensors(huge), StatusIs(StatusCode::kDataLoss, "the limit is 1048576"));
  EXPECT_THAT(ParseSafetensors(FileOf(" {}", 0)), StatusIs(StatusCode::kDataLoss, "start with {"));
  EXPECT_THAT(ParseSafetensors(FileOf("{}x", 0)), StatusIs(StatusCode::kDataLoss, "not JSON"));
  EXPECT_THAT(ParseSafetensors(FileOf("{}", 0)), StatusIs(StatusCode::kDataLoss, "architecture"));
  const Bytes file = FileOf(absl::StrCat("{", kMeta, ",", Tensor("a", "[1]", 0, 4), "}"), 4);
  EXPECT_THAT(ParseSafetensorsHeader(ByteView(file).first(4), file.size()),
              StatusIs(StatusCode::kOutOfRange, "8 bytes are needed"));
  EXPECT_THAT(ParseSafetensorsHeader(ByteView(file).first(20), file.size()),
              StatusIs(StatusCode::kOutOfRange, "bytes are needed"));
  HILUM_EXPECT_OK(
      ParseSafetensorsHeader(ByteView(file).first(file.size() - 4), file.size()).status());
}

TEST(Safetensors, OverTheLimitOfTensorsIsRefused) {
  std::string header = absl::StrCat("{", kMeta);
  for (int i = 0; i < 4097; ++i) {
    absl::StrAppend(&header, ",", Tensor(absl::StrCat("t", i), "[1]", 4 * i, 4 * i + 4));
  }
  EXPECT_THAT(Parse(header + "}", 4 * 4097), StatusIs(StatusCode::kDataLoss, "over 4096 tensors"));
}

TEST(Safetensors, ASpecWithARuleBrokenIsNotWritten) {
  ModelSpec spec = Spec();
  spec.tensors[1].offset = 7;
  EXPECT_THAT(EncodeSafetensors(spec, Values(), {}),
              StatusIs(StatusCode::kInvalidArgument, "tensor b has offset 7"));
  spec = Spec();
  spec.tensors[1].name = "a";
  EXPECT_THAT(EncodeSafetensors(spec, Values(), {}),
              StatusIs(StatusCode::kInvalidArgument, "two tensors are named a"));
  EXPECT_THAT(EncodeSafetensors({.architecture = "x"}, {}, {}),
              StatusIs(StatusCode::kInvalidArgument, "has 0 tensors"));
  EXPECT_THAT(EncodeSafetensors(Spec(), std::vector<float>(8), {}),
              StatusIs(StatusCode::kInvalidArgument, "8 values, the spec has 9"));
  EXPECT_THAT(EncodeSafetensors(Spec(), Values(), {{"architecture", "other"}}),
              StatusIs(StatusCode::kInvalidArgument, "the metadata say architecture other"));
  EXPECT_THAT(EncodeSafetensors(Spec(), Values(), {{"job", "\xff"}}),
              StatusIs(StatusCode::kInvalidArgument, "not UTF-8"));
}

}  // namespace
}  // namespace hilum::proto
