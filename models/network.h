// A network with weights: prediction, explanation, and its flat vector.
#ifndef HILUM_MODELS_NETWORK_H_
#define HILUM_MODELS_NETWORK_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/model_spec.h"
#include "models/architecture.h"

namespace hilum::models {

// Images as a profile prepares them (docs/models.md): grey values in [0, 1].
struct ImageBatch {
  int64_t n = 0;
  int channels = 1;  // 1: the network sees three equal channels; or 3
  int height = 0;    // pixels
  int width = 0;
  std::span<const float> pixels;  // [n, channels, height, width], finite
  // Of volumes (covidnet-vol): then pixels are [n, channels, slices, height, width], the channels
  // CT and, where the network takes it, the lung mask. 0: images.
  int64_t slices = 0;
};

struct Prediction {
  int n_classes = 0;
  std::vector<float> logits;         // [n, n_classes]
  std::vector<float> probabilities;  // [n, n_classes]; each row sums to 1
};

// Where a network looked, for people to debug with: never evidence (docs/models.md).
struct HeatMap {
  int height = 0;
  int width = 0;
  std::vector<float> values;  // [height, width] in [0, 1]; all 0 where nothing speaks for the class
};

// Only Load makes one. Not thread-safe.
class Network {
 public:
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  const ArchitectureOptions& options() const;
  const ModelSpec& spec() const;

  // The current weights that a federation shares, [n_params] in the order of spec().
  std::vector<float> Flat() const;

  // What stays at the site (architecture.h): its layout, and the values, [n_params] of it.
  const ModelSpec& local_spec() const;
  std::vector<float> Local() const;

  // One row an image. `n_threads` >= 1 holds for the whole process from this call on.
  // InvalidArgument: sizes that do not fit the network or `pixels`. DataLoss: a pixel or a
  // logit is not finite. The same bits for the same batch and n_threads.
  absl::StatusOr<Prediction> Predict(const ImageBatch& batch, int n_threads = 1) const;

  // Grad-CAM of one image on the output of the last stage, resized to the image's size and divided
  // by its largest value. Selvaraju et al. 2017, arXiv:1610.02391, section 3.
  // InvalidArgument: n is not 1, class_index outside [0, n_classes), or a network of volumes; else
  // as Predict.
  absl::StatusOr<HeatMap> Explain(const ImageBatch& image, int class_index) const;

  // LibTorch's side; only models/ knows the type.
  struct Impl;
  Impl& impl() { return *impl_; }
  explicit Network(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::models

#endif  // HILUM_MODELS_NETWORK_H_
