#include "proto/canonical_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "crypto/random.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

constexpr uint64_t kLimit = 1 << 16;

TEST(Canonicalize, WritesTheOneForm) {
  const Json value = {{"b", 2}, {"a", {{"z", Json::array({1, "x", true})}, {"y", ""}}}, {"_0", 0}};
  EXPECT_EQ(Canonicalize(value).value(), R"({"_0":0,"a":{"y":"","z":[1,"x",true]},"b":2})");
}

TEST(Canonicalize, EscapesOnlyQuoteAndBackslash) {
  EXPECT_EQ(Canonicalize(Json{{"a", "\"\\/\x7F\xC3\xA9"}}).value(),
            "{\"a\":\"\\\"\\\\/\x7F\xC3\xA9\"}");
}

TEST(Canonicalize, RefusesWhatHasNoForm) {
  const auto refused = [](const Json& value) { return Canonicalize(value).status(); };
  EXPECT_THAT(refused({{"a", nullptr}}), StatusIs(StatusCode::kInvalidArgument, "null"));
  EXPECT_THAT(refused({{"a", 1.5}}), StatusIs(StatusCode::kInvalidArgument, "fraction"));
  EXPECT_THAT(refused({{"a", 1.0}}), StatusIs(StatusCode::kInvalidArgument, "fraction"));
  EXPECT_THAT(refused({{"a", -1}}), StatusIs(StatusCode::kInvalidArgument, "negative"));
  EXPECT_THAT(refused({{"a", kJsonIntegerLimit + 1}}),
              StatusIs(StatusCode::kInvalidArgument, "9007199254740991"));
  EXPECT_TRUE(Canonicalize({{"a", kJsonIntegerLimit}}).ok());
  EXPECT_THAT(refused({{"A", 1}}), StatusIs(StatusCode::kInvalidArgument, "key"));
  EXPECT_THAT(refused({{"", 1}}), StatusIs(StatusCode::kInvalidArgument, "key"));
  EXPECT_THAT(refused({{"a", "x\ny"}}), StatusIs(StatusCode::kInvalidArgument, "control"));
  EXPECT_THAT(refused({{"a", "\xFF"}}), StatusIs(StatusCode::kInvalidArgument, "UTF-8"));
}

TEST(Canonicalize, LimitsDepth) {
  Json value = Json::object();
  for (int i = 1; i < kJsonDepthLimit; ++i) value = Json{{"a", value}};
  EXPECT_TRUE(Canonicalize(value).ok());
  HILUM_EXPECT_OK(ParseCanonical(Canonicalize(value).value(), kLimit));
  EXPECT_THAT(Canonicalize(Json{{"a", value}}), StatusIs(StatusCode::kInvalidArgument, "nested"));
}

TEST(ParseCanonical, GivesTheValueBack) {
  const std::string text = R"({"a":[1,2,{"b":"\"\\"}],"c":false})";
  HILUM_ASSERT_OK_AND_ASSIGN(const Json value, ParseCanonical(text, kLimit));
  EXPECT_EQ(value.at("a")[2].at("b"), "\"\\");
  EXPECT_EQ(Canonicalize(value).value(), text);
}

TEST(ParseCanonical, RefusesEverySecondSpelling) {
  for (const char* text :
       {R"({"a":1,"a":1})",   // a doubled key: nlohmann keeps the last without a word
        R"({"b":1,"a":1})",   // order
        R"({"a": 1})",        // white space
        "{\"a\":1}\n",        // after the object
        R"({"a":"\u0041"})",  // an escape that is not needed
        R"({"a":"\/"})",      //
        R"({"a":01})",        // no JSON
        R"({"a":1.0})",       // a fraction
        R"({"a":1e0})",       //
        R"({"a":-0})",        //
        R"({"a":9007199254740992})",
        R"({"a":99999999999999999999})",
        R"({"a":null})",
        R"({"a":"\ud800"})",
        R"([1])",
        R"("a")",
        "",
        "{",
        "{}{}",
        "\xEF\xBB\xBF{}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"\t\"}"}) {
    EXPECT_THAT(ParseCanonical(text, kLimit), StatusIs(StatusCode::kDataLoss, "")) << text;
  }
}

// Deep nesting, and mutations of a good text: what parses must encode to itself.
TEST(ParseCanonical, AcceptsOnlyWhatCanonicalizeWrites) {
  const std::string good =
      R"({"a":[1,2,{"b":"\"\\x"}],"c":false,"d":{"e":9007199254740991,"f":[]},"g":"\u00e9"})";
  const std::string text = Canonicalize(Json::parse(good)).value();
  HILUM_ASSERT_OK(ParseCanonical(text, kLimit));
  crypto::SeededStream stream({17});
  const std::string bytes = "{}[]\",:\\0123456789abetrufls \n\x7F\xC3\xA9-+.";
  int n_good = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string changed = text;
    for (uint64_t edits = 1 + stream.Below(2); edits > 0; --edits) {
      const size_t at = stream.Below(changed.size());
      const char byte = bytes[stream.Below(bytes.size())];
      const uint64_t kind = stream.Below(3);
      if (kind == 0) changed[at] = byte;
      if (kind == 1) changed.insert(at, 1, byte);
      if (kind == 2) changed.erase(at, 1);
    }
    const auto value = ParseCanonical(changed, kLimit);
    const Json general = Json::parse(changed, nullptr, false);
    const auto again = general.is_object() ? Canonicalize(general)
                                           : absl::StatusOr<std::string>(absl::DataLossError(""));
    // The rule of ledger.md 3.1, by a general parser: parse, encode again, compare.
    const bool is_canonical = again.ok() && *again == changed;
    ASSERT_EQ(value.ok(), is_canonical) << changed;
    if (!value.ok()) continue;
    ++n_good;
    ASSERT_EQ(*value, general);
  }
  EXPECT_GT(n_good, 1000);
}

TEST(ParseCanonical, HasLimits) {
  EXPECT_THAT(ParseCanonical(R"({"a":1})", 6),
              StatusIs(StatusCode::kResourceExhausted, "limit is 6"));
  std::string deep;
  for (int i = 0; i <= kJsonDepthLimit; ++i) deep += "{\"a\":";
  EXPECT_THAT(ParseCanonical(deep + "1" + std::string(kJsonDepthLimit + 1, '}'), kLimit),
              StatusIs(StatusCode::kDataLoss, "nested"));
  EXPECT_THAT(ParseCanonical(std::string(60000, '['), kLimit), StatusIs(StatusCode::kDataLoss, ""));
}

// A bracket inside a string is no level.
TEST(ParseCanonical, CountsBracketsOutsideStringsOnly) {
  HILUM_EXPECT_OK(ParseCanonical(R"({"a":"\"[[[[[[[[[[[[[[[[[[[[[[[["})", kLimit));
}

TEST(Decimal, FollowsTheGrammar) {
  for (const char* text : {"0", "1", "-1", "10", "0.5", "-0.5", "123.0405", "-0.001"}) {
    HILUM_EXPECT_OK(CheckDecimal(text)) << text;
  }
  for (const char* text : {"", "-", "-0", "00", "01", "+1", "1.", ".5", "1.0", "0.50", "1e3", "1,5",
                           " 1", "1 ", "NaN", "--1", "1.2.3", "-0.0", "1.a"}) {
    EXPECT_THAT(CheckDecimal(text), StatusIs(StatusCode::kInvalidArgument, "decimal")) << text;
  }
  EXPECT_THAT(CheckDecimal(std::string(401, '1')), StatusIs(StatusCode::kInvalidArgument, "400"));
}

TEST(Decimal, IsShortestAndReadsBackAsTheSameDouble) {
  EXPECT_EQ(FormatDecimal(0.1).value(), "0.1");
  EXPECT_EQ(FormatDecimal(-0.0).value(), "0");
  EXPECT_EQ(FormatDecimal(1.0).value(), "1");
  EXPECT_EQ(FormatDecimal(1e21).value(), "1000000000000000000000");
  EXPECT_EQ(FormatDecimal(5e-7).value(), "0.0000005");
  crypto::SeededStream stream({8});
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(stream.NextU64());
    if (!std::isfinite(value)) continue;
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, FormatDecimal(value));
    HILUM_ASSERT_OK(CheckDecimal(text)) << text;
    HILUM_ASSERT_OK_AND_ASSIGN(const double again, ParseDecimal(text));
    ASSERT_EQ(again, value) << text;
  }
  for (const double value : {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::denorm_min()}) {
    EXPECT_EQ(ParseDecimal(FormatDecimal(value).value()).value(), value);
  }
}

TEST(Decimal, RefusesWhatNoDoubleHolds) {
  EXPECT_THAT(FormatDecimal(std::nan("")), StatusIs(StatusCode::kInvalidArgument, "NaN"));
  EXPECT_THAT(FormatDecimal(std::numeric_limits<double>::infinity()),
              StatusIs(StatusCode::kInvalidArgument, "infinity"));
  EXPECT_THAT(ParseDecimal("1" + std::string(399, '0')),
              StatusIs(StatusCode::kInvalidArgument, "range"));
}

TEST(Utf8, IsWellFormedOnly) {
  for (const char* text : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(text)) << ToHex(AsBytes(text));
  }
  for (const char* text : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80",
                           "\xE1\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                           "\xFF", "a\xC2z", "\xE1\x80z"}) {
    EXPECT_FALSE(IsUtf8(text)) << ToHex(AsBytes(text));
  }
}

}  // namespace
}  // namespace hilum::proto
