#include "models/volume.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/layers.h"

namespace hilum::models {
namespace {

// Collects the layers while it keeps the extents of the volume.
class VolumeBuilder {
 public:
  explicit VolumeBuilder(int norm_groups) : norm_groups_(norm_groups) {}

  // Strides are of rows and columns only.
  void Convolve(std::string name, int in, int out, int kernel_slices, int kernel, int stride,
                bool bias) {
    Halve(stride);
    Layer layer{std::move(name), LayerKind::kConvolution, in, out, kernel, stride, 1, bias};
    const int64_t weights = int64_t{in} * out * kernel_slices * kernel * kernel;
    layer.n_params = weights + (bias ? out : 0);
    layer.macs = weights * slices_ * height_ * width_;
    layer.kernel_slices = kernel_slices;
    Place(std::move(layer));
  }
  void Normalise(std::string name, int width) {
    Layer layer{std::move(name), LayerKind::kNorm, width, width, 1, 1, norm_groups_, true};
    layer.n_params = 2 * int64_t{width};
    Place(std::move(layer));
  }
  void Connect(std::string name, int in, int out) {
    Layer layer{std::move(name), LayerKind::kLinear, in, out, 1, 1, 1, true};
    layer.output = {out, 1, 1};
    layer.macs = int64_t{in} * out;
    layer.n_params = layer.macs + out;
    layers_.push_back(std::move(layer));
  }
  // A convolution without bias, and its norm beside it: "a", "a_norm".
  void Unit(const std::string& name, int in, int out, int kernel_slices, int kernel, int stride) {
    Convolve(name, in, out, kernel_slices, kernel, stride, false);
    Normalise(name + "_norm", out);
  }
  void Bottleneck(const std::string& name, int in, int out, int stride) {
    const int inner = out / 4;
    Unit(name + ".a", in, inner, 3, 1, 1);
    Unit(name + ".b", inner, inner, 1, 3, stride);
    Unit(name + ".c", inner, out, 1, 1, 1);
    Unit(name + ".shortcut", in, out, 1, 1, 1);  // from the extents before the stride
    layers_[layers_.size() - 2].stride = stride;
  }
  void Halve(int stride) {
    height_ = (height_ + stride - 1) / stride;
    width_ = (width_ + stride - 1) / stride;
  }
  void HalveSlices() { slices_ /= 2; }
  void PoolTo(const std::array<int64_t, 3>& extents) {
    slices_ = extents[0];
    height_ = extents[1];
    width_ = extents[2];
  }
  std::vector<Layer> Take() && { return std::move(layers_); }

 private:
  void Place(Layer layer) {
    layer.output = {layer.out, height_, width_};
    layer.slices = slices_;
    layers_.push_back(std::move(layer));
  }

  int norm_groups_;
  int64_t slices_ = kDescribedSlices, height_ = kVolumeHeight, width_ = kVolumeWidth;
  std::vector<Layer> layers_;
};

}  // namespace

std::vector<Layer> VolumeLayersOf(const Architecture& architecture,
                                  const ArchitectureOptions& options) {
  VolumeBuilder builder(options.norm == "group" ? kNormGroups : 0);
  int width = architecture.stem_width;
  builder.Convolve("stem.conv", options.channels, width, 5, 7, 2, false);
  builder.Normalise("stem.norm", width);
  builder.Halve(2);
  for (int stage : {0, 1}) {
    if (stage == 1) builder.HalveSlices();
    const int out = architecture.stage_widths[stage];
    builder.Bottleneck(absl::StrCat("stages.", stage, ".0"), width, out, stage == 0 ? 1 : 2);
    width = out;
  }
  const int hidden = architecture.head_hidden.front();
  int n_convolutions = 0;
  for (const auto& extents : kVolumeHeadPools) {
    builder.PoolTo(extents);
    const int out = n_convolutions == 0 ? 2 * hidden : hidden;
    builder.Convolve(absl::StrCat("head.conv", ++n_convolutions), width, out, 3, 3, 1, true);
    width = out;
  }
  builder.Connect("head.fc1", width, hidden);
  builder.Connect("head.fc2", hidden, options.n_classes);
  return std::move(builder).Take();
}

absl::Status CheckVolume(const ArchitectureOptions& options, int channels, int64_t slices,
                         int height, int width) {
  if (channels == options.channels && slices >= kMinSlices && slices <= kMaxSlices &&
      height == kVolumeHeight && width == kVolumeWidth) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "a volume of ", channels, " channels and ", slices, " slices of ", height, " x ", width,
      " pixels; ", options.name, " takes ", options.channels, " channels and ", kMinSlices, " to ",
      kMaxSlices, " slices of ", kVolumeHeight, " x ", kVolumeWidth));
}

}  // namespace hilum::models
