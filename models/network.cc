#include "models/network.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "models/load.h"
#include "models/torch_network.h"
#include "models/torch_status.h"
#include "models/volume.h"

namespace hilum::models {
namespace {

std::vector<float> ToVector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  const float* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

bool AllFinite(std::span<const float> values) {
  for (float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

// Each step frees and takes the same tensors. As it comes, glibc gives their pages back to the
// system, which maps and clears them again: a quarter of a small network's training time. So the
// process keeps what its largest batch took.
void KeepFreedMemory() {
  static const bool kept = mallopt(M_MMAP_THRESHOLD, 32 << 20) != 0 &&
                           mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max()) != 0;
  static_cast<void>(kept);
}

std::string Shape(const TensorSpec& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.shape, ", "), "]");
}

absl::Status CheckSpec(const ModelSpec& ours, const ModelSpec& theirs) {
  if (theirs.tensors.size() != ours.tensors.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the weights have ", theirs.tensors.size(),
                                                   " tensors, ", ours.architecture, " has ",
                                                   ours.tensors.size()));
  }
  for (size_t i = 0; i < ours.tensors.size(); ++i) {
    const TensorSpec &want = ours.tensors[i], &have = theirs.tensors[i];
    if (have == want) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", i, " of the weights is ", have.name, " ", Shape(have), " at ", have.offset,
        ", that of ", ours.architecture, " is ", want.name, " ", Shape(want), " at ", want.offset));
  }
  return absl::OkStatus();
}

absl::Status CheckWeights(const ModelSpec& spec, std::span<const float> flat,
                          absl::string_view what = "the flat vector has ") {
  if (static_cast<int64_t>(flat.size()) != spec.n_params()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, flat.size(), " values, ", spec.architecture, " has ", spec.n_params()));
  }
  for (const TensorSpec& tensor : spec.tensors) {
    if (!AllFinite(flat.subspan(tensor.offset, tensor.size))) {
      return absl::DataLossError(
          absl::StrCat("tensor ", tensor.name, " holds NaN or an infinite value"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLocal(const Layout& layout, std::span<const float> local) {
  HILUM_RETURN_IF_ERROR(CheckWeights(layout.local, local, "what stays at the site has "));
  for (const TensorSpec& tensor : layout.local.tensors) {
    if (!absl::EndsWith(tensor.name, ".running_var")) continue;
    const std::span<const float> variances = local.subspan(tensor.offset, tensor.size);
    if (*std::ranges::min_element(variances) < 0) {
      return absl::DataLossError(absl::StrCat("tensor ", tensor.name, " holds a variance below 0"));
    }
  }
  return absl::OkStatus();
}

void AppendTo(std::vector<float>& values, const at::Tensor& tensor) {
  const std::vector<float> more = ToVector(tensor);
  values.insert(values.end(), more.begin(), more.end());
}

absl::Status CheckImages(const Network::Impl& network, const ImageBatch& batch) {
  if (batch.n < 1 || (batch.channels != 1 && batch.channels != 3)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a batch of ", batch.n, " images with ", batch.channels,
                     " channels, at least 1 image with 1 or 3 channels is needed"));
  }
  const int size = network.options.input_size;
  if (batch.height != size || batch.width != size) {
    return absl::InvalidArgumentError(absl::StrCat("images of ", batch.height, " x ", batch.width,
                                                   " pixels, this network takes ", size, " x ",
                                                   size));
  }
  return absl::OkStatus();
}

absl::Status CheckVolumes(const Network::Impl& network, const ImageBatch& batch) {
  if (batch.n < 1) return absl::InvalidArgumentError("a batch of no volumes");
  return CheckVolume(network.options, batch.channels, batch.slices, batch.height, batch.width);
}

}  // namespace

absl::StatusOr<at::Tensor> ToTensor(const Network::Impl& network, const ImageBatch& batch) {
  const bool is_volume = network.architecture.block == Block::kVolume;
  HILUM_RETURN_IF_ERROR(is_volume ? CheckVolumes(network, batch) : CheckImages(network, batch));
  if (!is_volume && batch.slices != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        network.options.name, " takes images, not volumes of ", batch.slices, " slices"));
  }
  const uint64_t n_values = uint64_t{1} * batch.n * batch.channels *
                            std::max<int64_t>(batch.slices, 1) * batch.height * batch.width;
  if (batch.pixels.size() != n_values) {
    return absl::InvalidArgumentError(absl::StrCat("the batch holds ", batch.pixels.size(),
                                                   " values, its sizes ask for ", n_values));
  }
  if (!AllFinite(batch.pixels)) {
    return absl::DataLossError("an image holds NaN or an infinite value");
  }
  return CatchTorch([&] {
    std::vector<int64_t> shape{batch.n, batch.channels, batch.height, batch.width};
    if (is_volume) shape.insert(shape.begin() + 2, batch.slices);
    return at::from_blob(const_cast<float*>(batch.pixels.data()), shape, at::kFloat);
  });
}

absl::Status UseThreads(int n_threads) {
  if (n_threads < 1 || n_threads > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("n_threads is ", n_threads, ", 1 to 1024 are possible"));
  }
  KeepFreedMemory();
  if (at::get_num_threads() == n_threads) return absl::OkStatus();
  return CatchTorch([&] { at::set_num_threads(n_threads); });
}

Network::Impl::Impl(const Description& description, Architecture plan, Layout places,
                    std::span<const float> weights, std::span<const float> local)
    : options(description.options),
      architecture(std::move(plan)),
      layout(std::move(places)),
      layers(description.layers) {
  std::vector<float> trained(weights.begin(), weights.end());
  trained.insert(trained.end(), local.begin(),
                 local.begin() + (layout.n_trained - layout.shared.n_params()));
  flat = at::from_blob(trained.data(), {layout.n_trained}, at::kFloat).clone();
  for (const TensorSpec& tensor : layout.trained) {
    tensors.push_back(flat.narrow(0, tensor.offset, tensor.size).view(tensor.shape));
  }
  for (size_t i = layout.n_local_weights; i < layout.local.tensors.size(); ++i) {
    const TensorSpec& tensor = layout.local.tensors[i];
    statistics.push_back(
        at::from_blob(const_cast<float*>(local.data()) + tensor.offset, {tensor.size}, at::kFloat)
            .clone());
  }
}

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

const ArchitectureOptions& Network::options() const { return impl_->options; }
const ModelSpec& Network::spec() const { return impl_->layout.shared; }
const ModelSpec& Network::local_spec() const { return impl_->layout.local; }

std::vector<float> Network::Flat() const {
  return ToVector(impl_->flat.narrow(0, 0, spec().n_params()));
}

std::vector<float> Network::Local() const {
  const int64_t n_shared = spec().n_params();
  std::vector<float> local =
      ToVector(impl_->flat.narrow(0, n_shared, impl_->layout.n_trained - n_shared));
  for (const at::Tensor& tensor : impl_->statistics) AppendTo(local, tensor);
  return local;
}

absl::StatusOr<Network> Load(const ArchitectureOptions& options, const ModelSpec& spec,
                             std::span<const float> flat, std::span<const float> local) {
  HILUM_ASSIGN_OR_RETURN(Architecture architecture, FindArchitecture(options.name));
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  HILUM_ASSIGN_OR_RETURN(Layout layout, LayoutOf(description));
  HILUM_RETURN_IF_ERROR(CheckSpec(layout.shared, spec));
  HILUM_RETURN_IF_ERROR(CheckWeights(layout.shared, flat));
  HILUM_RETURN_IF_ERROR(CheckLocal(layout, local));
  return CatchTorch([&] {
    return Network(std::make_unique<Network::Impl>(description, std::move(architecture),
                                                   std::move(layout), flat, local));
  });
}

absl::StatusOr<Prediction> Network::Predict(const ImageBatch& batch, int n_threads) const {
  HILUM_RETURN_IF_ERROR(UseThreads(n_threads));
  HILUM_ASSIGN_OR_RETURN(const at::Tensor images, ToTensor(*impl_, batch));
  return CatchTorch([&]() -> absl::StatusOr<Prediction> {
    const at::NoGradGuard no_grad;
    const at::Tensor logits = impl_->Head(impl_->Features(images));
    Prediction prediction{impl_->options.n_classes, ToVector(logits),
                          ToVector(at::softmax(logits, 1))};
    if (!AllFinite(prediction.logits)) {
      return absl::DataLossError("the network's answer holds NaN or an infinite value");
    }
    return prediction;
  });
}

absl::StatusOr<HeatMap> Network::Explain(const ImageBatch& image, int class_index) const {
  if (image.n != 1 || class_index < 0 || class_index >= impl_->options.n_classes) {
    return absl::InvalidArgumentError(absl::StrCat("class ", class_index, " of ", image.n,
                                                   " images cannot be explained: one image and a "
                                                   "class below ",
                                                   impl_->options.n_classes, " are needed"));
  }
  if (impl_->architecture.block == Block::kVolume) {
    return absl::InvalidArgumentError("a network of volumes has no heat map");
  }
  HILUM_ASSIGN_OR_RETURN(const at::Tensor images, ToTensor(*impl_, image));
  return CatchTorch([&]() -> absl::StatusOr<HeatMap> {
    at::Tensor features;
    {
      const at::NoGradGuard no_grad;
      features = impl_->Features(images);
    }
    features.requires_grad_(true);
    impl_->Head(features).select(1, class_index).sum().backward();
    const at::NoGradGuard no_grad;
    const at::Tensor importance = features.grad().mean(at::IntArrayRef{2, 3}, /*keepdim=*/true);
    at::Tensor map = at::relu((importance * features).sum(at::IntArrayRef{1}, /*keepdim=*/true));
    map = at::upsample_bilinear2d(map.contiguous(), {image.height, image.width},
                                  /*align_corners=*/false);
    const float largest = map.max().item<float>();
    if (!std::isfinite(largest)) {
      return absl::DataLossError("the heat map holds NaN or an infinite value");
    }
    if (largest > 0) map = map / largest;
    return HeatMap{image.height, image.width, ToVector(map)};
  });
}

}  // namespace hilum::models
