#include "dicom/dicom_json.h"

#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

TEST(DicomJson, ReadsTextsAndNumbersOfTheTopLevel) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<JsonAttributes> sets,
                             ParseDicomJson(R"([{"00080060":{"vr":"CS","Value":["CT"]},
                          "00180050":{"vr":"DS","Value":[1.5]},
                          "00100010":{"vr":"PN","Value":[{"Alphabetic":"DOE"}]},
                          "00200037":{"vr":"DS","Value":["1","0",null,0,1,0]},
                          "00080050":{"vr":"SH"}},{}])"));
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(FirstOf(sets[0], "00080060"), "CT");
  EXPECT_EQ(FirstOf(sets[0], "00180050"), "1.5");
  EXPECT_EQ(sets[0].at("00200037").size(), 5u);
  EXPECT_EQ(sets[0].count("00100010"), 0u);
  EXPECT_EQ(FirstOf(sets[0], "00080050"), "");
  EXPECT_TRUE(sets[1].empty());
}

TEST(DicomJson, RefusesWhatIsNoArrayOfDataSets) {
  for (const char* text : {"", "{}", "[1]", "[{]", "[{\"a\":1}", "null"}) {
    EXPECT_THAT(ParseDicomJson(text), StatusIs(StatusCode::kInvalidArgument, "answer")) << text;
  }
}

TEST(DicomJson, RefusesMoreDataSetsThanTheLimit) {
  std::string text = "[";
  for (size_t i = 0; i < kJsonDataSetsLimit; ++i) text += "{},";
  HILUM_EXPECT_OK(ParseDicomJson(text.substr(0, text.size() - 1) + "]"));
  EXPECT_THAT(ParseDicomJson(text + "{}]"),
              StatusIs(StatusCode::kInvalidArgument, "the limit is 100000"));
}

TEST(DicomJson, RefusesDeepAndWideTextBeforeItIsATree) {
  const std::string deep = std::string(33, '[') + std::string(33, ']');
  EXPECT_THAT(ParseDicomJson(deep), StatusIs(StatusCode::kInvalidArgument, "32 levels"));
  EXPECT_THAT(ParseStoreAnswer(deep), StatusIs(StatusCode::kInvalidArgument, "32 levels"));
  const std::string wide = "[" + std::string(kJsonValuesLimit, ',') + "]";
  EXPECT_THAT(ParseDicomJson(wide), StatusIs(StatusCode::kInvalidArgument, "4000000 values"));
  // Signs in texts are no structure.
  HILUM_EXPECT_OK(ParseDicomJson("[{\"a\":\"" + std::string(100, '[') + "\\\"[\"}]"));
}

TEST(DicomJson, TellsWhatWasStoredAndWhatWasNot) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const StoreAnswer answer,
      ParseStoreAnswer(
          R"({"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]},
              "00081198":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.3"]},
                                              "00081197":{"vr":"US","Value":[272]}}, 7]}})"));
  EXPECT_EQ(answer.stored, std::vector<std::string>{"1.2"});
  ASSERT_EQ(answer.failed.size(), 1u);
  EXPECT_EQ(answer.failed[0].first, "1.3");
  EXPECT_EQ(answer.failed[0].second, 272);
  EXPECT_THAT(ParseStoreAnswer("[]"), StatusIs(StatusCode::kInvalidArgument, "no data set"));
}

}  // namespace
}  // namespace hilum::dicom
