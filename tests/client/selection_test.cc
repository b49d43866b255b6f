#include "client/selection.h"

#include <map>

#include <gtest/gtest.h>

namespace hilum::client {
namespace {

using dicom::JsonAttributes;

JsonAttributes Slice() {
  return {{"00080060", {"CT"}},
          {"00180015", {"CHEST"}},
          {"00180050", {"1.25"}},
          {"00200037", {"1", "0", "0", "0", "1", "0"}}};
}

TEST(Selection, ASearchNamesOneModalityAndTheDates) {
  using Search = std::vector<std::pair<std::string, std::string>>;
  SelectionRules rules;
  EXPECT_EQ(SearchesOf(rules), std::vector<Search>{Search{}});
  rules.modalities = {"CR", "DX"};
  rules.from = "20240101";
  const std::vector<Search> searches = SearchesOf(rules);
  ASSERT_EQ(searches.size(), 2u);
  EXPECT_EQ(searches[1], (Search{{"Modality", "DX"}, {"StudyDate", "20240101-"}}));
}

TEST(Selection, ASeriesThatTheServerShouldNotHaveFoundIsLeftOut) {
  SelectionRules rules;
  rules.modalities = {"CT"};
  rules.from = "20240101";
  rules.to = "20241231";
  rules.min_images = 2;
  const JsonAttributes good = {
      {"00080060", {"CT"}}, {"00080020", {"20240601"}}, {"00201209", {"2"}}};
  EXPECT_EQ(WhyNotSeries(rules, good), "");
  const std::map<std::string, std::string> bad = {
      {"00080060", "MR"}, {"00080020", "20230601"}, {"00201209", "1"}};
  for (const auto& [tag, value] : bad) {
    JsonAttributes series = good;
    series[tag] = {value};
    EXPECT_NE(WhyNotSeries(rules, series), "") << tag;
  }
  JsonAttributes late = good;
  late["00080020"] = {"20250101"};
  EXPECT_NE(WhyNotSeries(rules, late), "");
}

TEST(Selection, EachRuleLeavesOutWhatDoesNotFit) {
  const std::vector<JsonAttributes> slices(3, Slice());
  SelectionRules rules;
  EXPECT_EQ(WhyNotInstances(rules, slices), "");
  const auto why = [&](auto change) {
    SelectionRules changed = rules;
    change(changed);
    return WhyNotInstances(changed, slices);
  };
  EXPECT_EQ(why([](SelectionRules& r) { r.orientations = {"axial"}; }), "");
  EXPECT_EQ(why([](SelectionRules& r) { r.body_parts = {"CHEST"}; }), "");
  EXPECT_EQ(why([](SelectionRules& r) { r.min_thickness_mm = r.max_thickness_mm = 1.25; }), "");
  EXPECT_EQ(why([](SelectionRules& r) { r.views = {"PA"}; }), "");  // not known
  EXPECT_NE(why([](SelectionRules& r) { r.orientations = {"coronal"}; }), "");
  EXPECT_NE(why([](SelectionRules& r) { r.body_parts = {"HEAD"}; }), "");
  EXPECT_NE(why([](SelectionRules& r) { r.max_thickness_mm = 1; }), "");
  EXPECT_NE(why([](SelectionRules& r) { r.min_thickness_mm = 2; }), "");
  EXPECT_NE(why([](SelectionRules& r) { r.min_images = 4; }), "");
  EXPECT_NE(why([](SelectionRules& r) { r.max_images = 2; }), "");
  EXPECT_NE(why([](SelectionRules& r) {
              r.views = {"PA"};
              r.view_unknown = false;
            }),
            "");
}

TEST(Selection, OneSliceThatDoesNotFitLeavesOutTheSeries) {
  std::vector<JsonAttributes> slices(3, Slice());
  SelectionRules rules;
  rules.max_thickness_mm = 2;
  slices[1]["00180050"] = {"5"};
  EXPECT_NE(WhyNotInstances(rules, slices), "");
  slices[1].erase("00180050");
  EXPECT_NE(WhyNotInstances(rules, slices), "");
}

TEST(Selection, TellsOrientationsByTheNormal) {
  const auto of = [](std::vector<std::string> values) {
    return OrientationOf({{"00200037", std::move(values)}});
  };
  EXPECT_EQ(of({"1", "0", "0", "0", "1", "0"}), "axial");
  EXPECT_EQ(of({"1", "0", "0", "0", "0", "-1"}), "coronal");
  EXPECT_EQ(of({"0", "1", "0", "0", "0", "-1"}), "sagittal");
  EXPECT_EQ(of({"1", "0", "0", "0", "0.7071", "-0.7071"}), "oblique");
  EXPECT_EQ(of({"1", "0", "0"}), "");
  EXPECT_EQ(of({"1", "0", "0", "0", "nan", "0"}), "");
  EXPECT_EQ(OrientationOf({}), "");
}

}  // namespace
}  // namespace hilum::client
