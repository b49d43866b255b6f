// Names of JOB.toml, and sets in memory.
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/train.h"

namespace hilum::models {
namespace {

template <class Value>
absl::StatusOr<Value> Parse(absl::string_view what, absl::string_view name,
                            std::initializer_list<std::pair<absl::string_view, Value>> values) {
  std::string names;
  for (const auto& [known, value] : values) {
    if (known == name) return value;
    absl::StrAppend(&names, names.empty() ? "" : ", ", known);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", name, "\" is not known; there are ", names));
}

}  // namespace

absl::StatusOr<Optimizer> ParseOptimizer(absl::string_view name) {
  return Parse<Optimizer>("optimizer", name,
                          {{"adamw", Optimizer::kAdamW}, {"sgd", Optimizer::kSgd}});
}

absl::StatusOr<Schedule> ParseSchedule(absl::string_view name) {
  return Parse<Schedule>("schedule", name,
                         {{"constant", Schedule::kConstant},
                          {"cosine", Schedule::kCosine},
                          {"one-cycle", Schedule::kOneCycle}});
}

absl::StatusOr<Balance> ParseBalance(absl::string_view name) {
  return Parse<Balance>("balance", name,
                        {{"none", Balance::kNone}, {"classes", Balance::kClasses}});
}

absl::StatusOr<TrainingSet> InMemory(int channels, int height, int width, std::vector<float> pixels,
                                     std::vector<int32_t> labels) {
  if (channels < 1 || height < 1 || width < 1) {
    return absl::InvalidArgumentError(absl::StrCat("samples of ", channels, " x ", height, " x ",
                                                   width, " values, each must be at least 1"));
  }
  const size_t size = size_t{1} * channels * height * width;
  if (pixels.size() != size * labels.size()) {
    return absl::InvalidArgumentError(absl::StrCat(pixels.size(), " values for ", labels.size(),
                                                   " labels, ", size, " a label are needed"));
  }
  auto shared = std::make_shared<const std::vector<float>>(std::move(pixels));
  return TrainingSet{channels, height, width, std::move(labels),
                     [shared, size](int64_t index, std::span<float> to) {
                       std::copy_n(shared->begin() + index * size, size, to.begin());
                       return absl::OkStatus();
                     }};
}

}  // namespace hilum::models
