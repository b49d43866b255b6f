#include "models/architecture.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "models/layers.h"
#include "models/volume.h"

namespace hilum::models {
namespace {

constexpr int kMinInput = 32;    // pixels: five halvings leave one
constexpr int kMaxInput = 2048;  // pixels
constexpr int kMaxClasses = 1000;

const std::vector<Architecture>& Architectures() {
  static const auto& all = *new std::vector<Architecture>{
      {"covidnet-nano", 224, false, Block::kPepx, 32, {64, 128, 256, 512}, {3, 4, 6, 3}, {}},
      {"covidnet-tiny", 480, false, Block::kPepx, 64, {128, 256, 512, 1024}, {3, 4, 6, 3}, {1024}},
      {"covidnet-s", 480, false, Block::kPepx, 64, {192, 384, 768, 1536}, {3, 4, 6, 3}, {1024}},
      {"covidnet-paper224",
       224,
       true,
       Block::kPlainPepx,
       64,
       {256, 512, 1024, 2048},
       {3, 4, 6, 3},
       {1024, 1024}},
      {"covidnet-ct-s", 512, false, Block::kPrpe, 48, {48, 96, 192, 256}, {3, 4, 6, 3}, {}},
      {"covidnet-ct-l", 512, false, Block::kPrpe, 48, {80, 160, 320, 512}, {3, 4, 6, 3}, {}},
      {"covidnet-vol",
       kVolumeHeight,
       true,
       Block::kVolume,
       16,
       {64, 128, 0, 0},
       {1, 1, 0, 0},
       {32}},
      {"resnet18", 224, false, Block::kBasic, 64, {64, 128, 256, 512}, {2, 2, 2, 2}, {}},
  };
  return all;
}

absl::Status CheckOptions(const Architecture& architecture, const ArchitectureOptions& options) {
  if (options.n_classes < 2 || options.n_classes > kMaxClasses) {
    return absl::InvalidArgumentError(absl::StrCat(options.name, " takes 2 to ", kMaxClasses,
                                                   " classes, ", options.n_classes,
                                                   " were asked for"));
  }
  if (options.norm != "group" && options.norm != "batch" && options.norm != "batch_local") {
    return absl::InvalidArgumentError(
        absl::StrCat("the norm \"", options.norm,
                     "\" is not offered, use \"group\", \"batch\" or \"batch_local\""));
  }
  const bool is_volume = architecture.block == Block::kVolume;
  if (is_volume ? options.channels < 1 || options.channels > 2 : options.channels != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.name, " takes ", is_volume ? "1 or 2" : "3", " channels, not ", options.channels));
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
  Builder(Block block, int size, int norm_groups)
      : block_(block), size_(size), norm_groups_(norm_groups) {}

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
    Layer layer{std::move(name), LayerKind::kNorm, width, width, 1, 1, norm_groups_, true};
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
  // 2x2, but ResNet's is 3x3 with a padding of one.
  void Pool() { size_ = block_ == Block::kBasic ? (size_ + 1) / 2 : size_ / 2; }
  int size() const { return size_; }

  void AddBlock(const std::string& name, int in, int out, int stride) {
    switch (block_) {
      case Block::kPepx:
      case Block::kPlainPepx:
        return Pepx(name, in, out);
      case Block::kPrpe:
        return Prpe(name, in, out, stride);
      case Block::kBasic:
        return Basic(name, in, out, stride);
      case Block::kVolume:
        return;  // VolumeLayersOf
    }
  }

  std::vector<Layer> Take() && { return std::move(layers_); }

 private:
  // A 1x1 convolution beside the block, from the size before it to the size after it.
  void Shortcut(std::string name, int in, int out, int stride, bool bias) {
    Convolve(std::move(name), in, out, 1, 1, 1, bias);
    layers_.back().stride = stride;
  }

  void Prpe(const std::string& name, int in, int out, int stride) {
    Convolve(name + ".project1", in, out / 4, 1, 1, 1, true);
    Convolve(name + ".depthwise", out, out, 3, stride, out, true);
    Convolve(name + ".project2", out, out / 4, 1, 1, 1, true);
    Convolve(name + ".expand", out / 4, out, 1, 1, 1, true);
    Normalise(name + ".norm", out);
    if (in != out || stride > 1) Shortcut(name + ".shortcut", in, out, stride, true);
  }

  void Basic(const std::string& name, int in, int out, int stride) {
    Convolve(name + ".conv1.conv", in, out, 3, stride, 1, false);
    Normalise(name + ".conv1.norm", out);
    Convolve(name + ".conv2.conv", out, out, 3, 1, 1, false);
    Normalise(name + ".conv2.norm", out);
    if (in == out && stride == 1) return;
    Shortcut(name + ".shortcut.conv", in, out, stride, false);
    Normalise(name + ".shortcut.norm", out);
  }

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
    const bool plain = block_ == Block::kPlainPepx;
    for (const auto& step : steps) {
      const std::string prefix = absl::StrCat(name, ".", step.step);
      Convolve(plain ? prefix : prefix + ".conv", step.in, step.out, step.kernel, 1, step.groups,
               plain);
      if (!plain) Normalise(prefix + ".norm", step.out);
    }
    if (plain) Normalise(name + ".norm", out);
  }

  Block block_;
  int size_;
  int norm_groups_;
  std::vector<Layer> layers_;
};

// Whether `name` is `pattern`, in which `*` stands for any characters, none too. At most one star
// is tried again, so a hostile pattern costs length times length.
bool Fits(absl::string_view pattern, absl::string_view name) {
  size_t p = 0, n = 0, star = absl::string_view::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<int64_t> WeightShape(const Layer& layer) {
  if (layer.kind == LayerKind::kNorm) return {layer.out};
  if (layer.kind == LayerKind::kLinear) return {layer.out, layer.in};
  if (layer.slices > 0) {
    return {layer.out, layer.in, layer.kernel_slices, layer.kernel, layer.kernel};
  }
  return {layer.out, layer.in / layer.groups, layer.kernel, layer.kernel};
}

void AppendTensor(ModelSpec& spec, std::string name, std::vector<int64_t> shape) {
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  spec.tensors.push_back({std::move(name), std::move(shape), spec.n_params(), size});
}

}  // namespace

std::vector<Layer> LayersOf(const Architecture& architecture, const ArchitectureOptions& options) {
  if (architecture.block == Block::kVolume) return VolumeLayersOf(architecture, options);
  Builder builder(architecture.block, options.input_size,
                  options.norm == "group" ? kNormGroups : 0);
  const bool strided = HasShortcuts(architecture.block);
  builder.Convolve("stem.conv", 3, architecture.stem_width, 7, 2, 1, false);
  builder.Normalise("stem.norm", architecture.stem_width);
  int width = architecture.stem_width;
  for (size_t stage = 0; stage < architecture.stage_widths.size(); ++stage) {
    if (stage == 0 || !strided) builder.Pool();
    for (int block = 0; block < architecture.stage_blocks[stage]; ++block) {
      builder.AddBlock(absl::StrCat("stages.", stage, ".", block), width,
                       architecture.stage_widths[stage],
                       strided && stage > 0 && block == 0 ? 2 : 1);
      width = architecture.stage_widths[stage];
    }
  }
  if (architecture.fixed_input) width *= builder.size() * builder.size();
  int n_linear = 0;
  for (int hidden : architecture.head_hidden) {
    builder.Connect(absl::StrCat("head.fc", ++n_linear), width, hidden);
    width = hidden;
  }
  builder.Connect(absl::StrCat("head.fc", ++n_linear), width, options.n_classes);
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
  int& channels = description.options.channels;
  if (channels == 0) channels = architecture.block == Block::kVolume ? 2 : 3;
  HILUM_RETURN_IF_ERROR(CheckOptions(architecture, description.options));
  description.layers = LayersOf(architecture, description.options);
  for (const Layer& layer : description.layers) {
    description.n_params += layer.n_params;
    description.n_tensors += layer.bias ? 2 : 1;
    description.macs += layer.macs;
  }
  return description;
}

absl::StatusOr<Layout> LayoutOf(const Description& description) {
  const ArchitectureOptions& options = description.options;
  Layout layout{{options.name, {}}, {options.name, {}}, 0, {}, 0};
  std::vector<bool> fitted(options.local_layers.size()), is_local;
  for (const Layer& layer : description.layers) {
    const bool stays = layer.kind == LayerKind::kNorm && options.norm == "batch_local";
    for (const char* part : {".weight", ".bias"}) {
      if (!layer.bias && part == absl::string_view(".bias")) continue;
      const std::string name = layer.name + part;
      bool local = stays;
      for (size_t i = 0; i < fitted.size(); ++i) {
        if (!Fits(options.local_layers[i], name)) continue;
        fitted[i] = true;
        local = true;
      }
      ModelSpec& spec = local ? layout.local : layout.shared;
      AppendTensor(spec, name,
                   part == absl::string_view(".weight") ? WeightShape(layer)
                                                        : std::vector<int64_t>{layer.out});
      layout.trained.push_back(spec.tensors.back());
      is_local.push_back(local);
    }
  }
  if (const auto missed = std::find(fitted.begin(), fitted.end(), false); missed != fitted.end()) {
    return absl::InvalidArgumentError(absl::StrCat("local_layers \"",
                                                   options.local_layers[missed - fitted.begin()],
                                                   "\" fits no tensor of ", options.name));
  }
  if (layout.shared.tensors.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("local_layers leave no tensor of ", options.name, " to share"));
  }
  for (size_t i = 0; i < is_local.size(); ++i) {
    if (is_local[i]) layout.trained[i].offset += layout.shared.n_params();
  }
  layout.n_trained = layout.shared.n_params() + layout.local.n_params();
  layout.n_local_weights = layout.local.tensors.size();
  for (const Layer& layer : description.layers) {
    if (layer.kind != LayerKind::kNorm || layer.groups != 0) continue;
    AppendTensor(layout.local, layer.name + ".running_mean", {layer.out});
    AppendTensor(layout.local, layer.name + ".running_var", {layer.out});
  }
  return layout;
}

absl::StatusOr<ModelSpec> SpecOf(const ArchitectureOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  HILUM_ASSIGN_OR_RETURN(Layout layout, LayoutOf(description));
  return std::move(layout.shared);
}

absl::StatusOr<ModelSpec> LocalSpecOf(const ArchitectureOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  HILUM_ASSIGN_OR_RETURN(Layout layout, LayoutOf(description));
  return std::move(layout.local);
}

}  // namespace hilum::models
