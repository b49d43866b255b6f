#include "models/architecture.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "models/layers.h"

namespace hilum::models {
namespace {

constexpr int kMinInput = 32;    // pixels: five halvings leave one
constexpr int kMaxInput = 2048;  // pixels
constexpr int kMaxClasses = 1000;

const std::vector<Architecture>& Architectures() {
  static const auto& all = *new std::vector<Architecture>{
      {"covidnet-nano", 224, false, false, 32, {64, 128, 256, 512}, {3, 4, 6, 3}, {}},
      {"covidnet-tiny", 480, false, false, 64, {128, 256, 512, 1024}, {3, 4, 6, 3}, {1024}},
      {"covidnet-s", 480, false, false, 64, {192, 384, 768, 1536}, {3, 4, 6, 3}, {1024}},
      {"covidnet-paper224",
       224,
       true,
       true,
       64,
       {256, 512, 1024, 2048},
       {3, 4, 6, 3},
       {1024, 1024}},
  };
  return all;
}

absl::Status CheckOptions(const Architecture& architecture, const ArchitectureOptions& options) {
  if (options.n_classes < 2 || options.n_classes > kMaxClasses) {
    return absl::InvalidArgumentError(absl::StrCat(options.name, " takes 2 to ", kMaxClasses,
                                                   " classes, ", options.n_classes,
                                                   " were asked for"));
  }
  if (options.norm != "group") {
    return absl::InvalidArgumentError(
        absl::StrCat("the norm \"", options.norm, "\" is not offered, use \"group\""));
  }
  const int size = options.input_size;
  if (architecture.fixed_input && size != architecture.input_size) {
    return absl::InvalidArgumentError(absl::StrCat(options.name, " takes images of ",
                                                   architecture.input_size, " pixels, not ", size));
  }
  if (size < kMinInput || size > kMaxInput) {
    return absl::InvalidArgumentError(absl::StrCat(options.name, " takes images of ", kMinInput,
                                                   " to ", kMaxInput, " pixels, not ", size));
  }
  return absl::OkStatus();
}

// Collects the layers while it keeps the size of the image.
class Builder {
 public:
  Builder(bool plain, int size) : plain_(plain), size_(size) {}

  void Convolve(std::string name, int in, int out, int kernel, int stride, int groups, bool bias) {
    size_ = (size_ + stride - 1) / stride;
    Layer layer{std::move(name), LayerKind::kConvolution, in, out, kernel, stride, groups, bias};
    layer.output = {out, size_, size_};
    const int64_t weights = int64_t{out} * (in / groups) * kernel * kernel;
    layer.n_params = weights + (bias ? out : 0);
    layer.macs = weights * size_ * size_;
    layers_.push_back(std::move(layer));
  }
  void Normalise(std::string name, int width) {
    Layer layer{std::move(name), LayerKind::kNorm, width, width, 1, 1, kNormGroups, true};
    layer.output = {width, size_, size_};
    layer.n_params = 2 * int64_t{width};
    layers_.push_back(std::move(layer));
  }
  void Connect(std::string name, int in, int out) {
    Layer layer{std::move(name), LayerKind::kLinear, in, out, 1, 1, 1, true};
    layer.output = {out, 1, 1};
    layer.macs = int64_t{in} * out;
    layer.n_params = layer.macs + out;
    layers_.push_back(std::move(layer));
  }
  void Pool() { size_ /= 2; }
  int size() const { return size_; }

  // One PEPX block: project, expand, depth-wise, project, extend.
  void Pepx(const std::string& name, int in, int out) {
    const struct {
      const char* step;
      int in, out, kernel, groups;
    } steps[] = {{"project1", in, in / 4, 1, 1},
                 {"expand", in / 4, in / 2, 1, 1},
                 {"depthwise", in / 2, in / 2, 3, in / 2},
                 {"project2", in / 2, in / 4, 1, 1},
                 {"extend", in / 4, out, 1, 1}};
    for (const auto& step : steps) {
      const std::string prefix = absl::StrCat(name, ".", step.step);
      Convolve(plain_ ? prefix : prefix + ".conv", step.in, step.out, step.kernel, 1, step.groups,
               plain_);
      if (!plain_) Normalise(prefix + ".norm", step.out);
    }
    if (plain_) Normalise(name + ".norm", out);
  }

  std::vector<Layer> Take() && { return std::move(layers_); }

 private:
  bool plain_;
  int size_;
  std::vector<Layer> layers_;
};

void AppendTensor(ModelSpec& spec, std::string name, std::vector<int64_t> shape) {
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  spec.tensors.push_back({std::move(name), std::move(shape), spec.n_params(), size});
}

}  // namespace

std::vector<Layer> LayersOf(const Architecture& architecture, int n_classes, int input_size) {
  Builder builder(architecture.plain, input_size);
  builder.Convolve("stem.conv", 3, architecture.stem_width, 7, 2, 1, false);
  builder.Normalise("stem.norm", architecture.stem_width);
  int width = architecture.stem_width;
  for (size_t stage = 0; stage < architecture.stage_widths.size(); ++stage) {
    builder.Pool();
    for (int block = 0; block < architecture.stage_blocks[stage]; ++block) {
      builder.Pepx(absl::StrCat("stages.", stage, ".", block), width,
                   architecture.stage_widths[stage]);
      width = architecture.stage_widths[stage];
    }
  }
  if (architecture.fixed_input) width *= builder.size() * builder.size();
  int n_linear = 0;
  for (int hidden : architecture.head_hidden) {
    builder.Connect(absl::StrCat("head.fc", ++n_linear), width, hidden);
    width = hidden;
  }
  builder.Connect(absl::StrCat("head.fc", ++n_linear), width, n_classes);
  return std::move(builder).Take();
}

std::vector<std::string> ArchitectureNames() {
  std::vector<std::string> names;
  for (const Architecture& architecture : Architectures()) names.push_back(architecture.name);
  return names;
}

absl::StatusOr<Architecture> FindArchitecture(absl::string_view name) {
  for (const Architecture& architecture : Architectures()) {
    if (architecture.name == name) return architecture;
  }
  return absl::NotFoundError(absl::StrCat("no network is called \"", name, "\"; there are ",
                                          absl::StrJoin(ArchitectureNames(), ", ")));
}

absl::StatusOr<Description> Describe(const ArchitectureOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Architecture architecture, FindArchitecture(options.name));
  Description description{options, {}};
  int& size = description.options.input_size;
  if (size == 0) size = architecture.input_size;
  HILUM_RETURN_IF_ERROR(CheckOptions(architecture, description.options));
  description.layers = LayersOf(architecture, options.n_classes, size);
  for (const Layer& layer : description.layers) {
    description.n_params += layer.n_params;
    description.n_tensors += layer.bias ? 2 : 1;
    description.macs += layer.macs;
  }
  return description;
}

absl::StatusOr<ModelSpec> SpecOf(const ArchitectureOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  ModelSpec spec{options.name, {}};
  for (const Layer& layer : description.layers) {
    std::vector<int64_t> shape{layer.out};
    if (layer.kind == LayerKind::kConvolution) {
      shape = {layer.out, layer.in / layer.groups, layer.kernel, layer.kernel};
    } else if (layer.kind == LayerKind::kLinear) {
      shape = {layer.out, layer.in};
    }
    AppendTensor(spec, layer.name + ".weight", std::move(shape));
    if (layer.bias) AppendTensor(spec, layer.name + ".bias", {layer.out});
  }
  return spec;
}

}  // namespace hilum::models
