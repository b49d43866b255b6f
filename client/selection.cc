#include "client/selection.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hilum::client {
namespace {

using dicom::FirstOf;
using dicom::JsonAttributes;

constexpr const char* kStudyDate = "00080020";
constexpr const char* kModality = "00080060";
constexpr const char* kBodyPart = "00180015";
constexpr const char* kSliceThickness = "00180050";
constexpr const char* kViewPosition = "00185101";
constexpr const char* kOrientation = "00200037";
constexpr const char* kSeriesInstances = "00201209";
constexpr double kAxisCosine = 0.8;

bool Has(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// A closed list, and whether an absent value is let through.
std::string WhyNotTerm(const char* what, const std::vector<std::string>& taken, bool unknown_too,
                       const std::string& value) {
  if (taken.empty() || Has(taken, value) || (value.empty() && unknown_too)) return "";
  return absl::StrCat("the ", what, value.empty() ? " is not known" : " is not one of the rules'");
}

}  // namespace

std::vector<std::vector<std::pair<std::string, std::string>>> SearchesOf(
    const SelectionRules& rules) {
  std::vector<std::vector<std::pair<std::string, std::string>>> searches;
  std::vector<std::string> modalities = rules.modalities;
  if (modalities.empty()) modalities.emplace_back();
  for (const std::string& modality : modalities) {
    std::vector<std::pair<std::string, std::string>>& search = searches.emplace_back();
    if (!modality.empty()) search.emplace_back("Modality", modality);
    if (!rules.from.empty() || !rules.to.empty()) {
      search.emplace_back("StudyDate", absl::StrCat(rules.from, "-", rules.to));
    }
  }
  return searches;
}

std::string WhyNotSeries(const SelectionRules& rules, const JsonAttributes& series) {
  // A server that matches less than it was asked to is told from one that found something.
  if (!rules.modalities.empty() && !Has(rules.modalities, FirstOf(series, kModality))) {
    return "the modality is not one of the rules'";
  }
  const std::string date = FirstOf(series, kStudyDate);
  if (!date.empty() &&
      ((!rules.from.empty() && date < rules.from) || (!rules.to.empty() && date > rules.to))) {
    return "the study date is outside the rules'";
  }
  int64_t n_images = 0;
  if (absl::SimpleAtoi(FirstOf(series, kSeriesInstances), &n_images) &&
      (n_images < rules.min_images || n_images > rules.max_images)) {
    return absl::StrCat("it has ", n_images, " images, the rules take ", rules.min_images, " to ",
                        rules.max_images);
  }
  const std::string body_part = FirstOf(series, kBodyPart);
  // Its absence here says nothing: not every server returns it for a series.
  return WhyNotTerm("body part", rules.body_parts, /*unknown_too=*/true, body_part);
}

std::string OrientationOf(const JsonAttributes& instance) {
  const auto found = instance.find(kOrientation);
  if (found == instance.end() || found->second.size() != 6) return "";
  std::array<double, 6> v{};
  for (size_t i = 0; i < v.size(); ++i) {
    if (!absl::SimpleAtod(found->second[i], &v[i]) || !std::isfinite(v[i])) return "";
  }
  // Row times column: the normal (PS3.3 section C.7.6.2.1.1).
  const std::array<double, 3> normal = {std::abs(v[1] * v[5] - v[2] * v[4]),
                                        std::abs(v[2] * v[3] - v[0] * v[5]),
                                        std::abs(v[0] * v[4] - v[1] * v[3])};
  constexpr std::array<const char*, 3> kNames = {"sagittal", "coronal", "axial"};
  for (size_t axis = 0; axis < normal.size(); ++axis) {
    if (normal[axis] >= kAxisCosine) return kNames[axis];
  }
  return "oblique";
}

std::string WhyNotInstances(const SelectionRules& rules,
                            const std::vector<JsonAttributes>& instances) {
  const auto n_images = static_cast<int64_t>(instances.size());
  if (n_images < rules.min_images || n_images > rules.max_images) {
    return absl::StrCat("it has ", n_images, " images, the rules take ", rules.min_images, " to ",
                        rules.max_images);
  }
  for (const JsonAttributes& instance : instances) {
    std::string why = WhyNotTerm("body part", rules.body_parts, rules.body_part_unknown,
                                 FirstOf(instance, kBodyPart));
    if (why.empty()) {
      why = WhyNotTerm("view", rules.views, rules.view_unknown, FirstOf(instance, kViewPosition));
    }
    if (why.empty()) {
      why = WhyNotTerm("orientation", rules.orientations, /*unknown_too=*/false,
                       OrientationOf(instance));
    }
    if (!why.empty()) return why;
    if (!rules.min_thickness_mm.has_value() && !rules.max_thickness_mm.has_value()) continue;
    double thickness_mm = 0;
    if (!absl::SimpleAtod(FirstOf(instance, kSliceThickness), &thickness_mm)) {
      return "the slice thickness is not known";
    }
    if (thickness_mm < rules.min_thickness_mm.value_or(0) ||
        (rules.max_thickness_mm.has_value() && thickness_mm > *rules.max_thickness_mm)) {
      return absl::StrCat("a slice is ", thickness_mm, " mm thick");
    }
  }
  return "";
}

}  // namespace hilum::client
