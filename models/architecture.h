// The networks, each from one description: layers, flat layout, parameter and MAC counts.
//
// COVID-Net-style (reconstructed): the official architecture was never released, so these are
// networks of the same kind and size (docs/models.md). Nothing here needs LibTorch.
#ifndef HILUM_MODELS_ARCHITECTURE_H_
#define HILUM_MODELS_ARCHITECTURE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/model_spec.h"

namespace hilum::models {

struct ArchitectureOptions {
  std::string name;   // one of ArchitectureNames()
  int n_classes = 3;  // 2 to 1000
  // group: GroupNorm with 8 groups, no buffers, so the whole state is summed. batch: BatchNorm, its
  // weights shared, its statistics at the site. batch_local: its weights stay at the site too
  // (FedBN, arXiv:2102.07623).
  std::string norm = "group";
  int input_size = 0;  // pixels, the image is square; 0: the network's own size
  // Tensors of these names stay at the site; `*` stands for any characters, for example "head.*".
  std::vector<std::string> local_layers{};
  // Of covidnet-vol: 1 (CT) or 2 (CT and lung mask); 0: its own 2. All others: 0, they take 3.
  int channels = 0;
};

// What a stage is made of. A new kind needs its layers in architecture.cc (LayersOf) and its
// forward pass in torch_forward.cc.
enum class Block {
  kPepx,       // project, expand, depth-wise, project, extend; each with its own norm
  kPlainPepx,  // the same with biases and one norm at the end (covidnet-paper224)
  kPrpe,       // project, replicate, depth-wise, project, expand, norm; shortcut (covidnet-ct-*)
  kBasic,      // two 3x3 convolutions and a shortcut (ResNet-18: He et al. 2016, table 1)
  kVolume,     // 3x1x1, 1x3x3 and 1x1x1 with a shortcut (covidnet-vol; models/volume.h)
};

// What the layers of a network follow from.
struct Architecture {
  std::string name;
  int input_size;                   // pixels; the default, or the only one when `fixed_input`
  bool fixed_input;                 // the head is flat, so the size cannot change
  Block block;                      // of all stages
  int stem_width;                   // channels after the 7x7 convolution with stride 2
  std::array<int, 4> stage_widths;  // channels of the four stages
  std::array<int, 4> stage_blocks;  // blocks of the four stages
  std::vector<int> head_hidden;     // widths of the hidden linear layers
};

// The names that FindArchitecture knows.
std::vector<std::string> ArchitectureNames();

// NotFound: no network has this name; the sentence lists the names.
absl::StatusOr<Architecture> FindArchitecture(absl::string_view name);

// The layout of the flat vector that a federation shares: names equal to the PyTorch state_dict,
// convolutions O,I,H,W.
// NotFound: name. InvalidArgument: n_classes, norm or input_size outside what the network takes; a
// pattern of local_layers that names no tensor, or patterns that leave nothing to share.
absl::StatusOr<ModelSpec> SpecOf(const ArchitectureOptions& options);

// The layout of what stays at a site: weights, then the statistics of BatchNorm (`running_mean`,
// `running_var`). Without tensors where all is shared. Errors as SpecOf.
absl::StatusOr<ModelSpec> LocalSpecOf(const ArchitectureOptions& options);

enum class LayerKind { kConvolution, kNorm, kLinear };

// One row of the layer table.
struct Layer {
  std::string name;  // prefix of its tensors, for example "stages.0.1.expand.conv"
  LayerKind kind;
  int in = 0;  // channels, or features of a linear layer
  int out = 0;
  int kernel = 1;  // pixels
  int stride = 1;
  int groups = 1;  // of the convolution; of a norm: its groups, 0 is BatchNorm
  bool bias = false;
  std::array<int64_t, 3> output{};  // C, H, W for one image
  int64_t n_params = 0;
  int64_t macs = 0;       // multiplications for one image; norms and biases count 0
  int kernel_slices = 1;  // of a convolution of volumes
  int64_t slices = 0;     // of the output; 0: no volume
};

struct Description {
  ArchitectureOptions options;  // with the defaults filled in
  std::vector<Layer> layers;    // in forward order
  int64_t n_params = 0;         // all that are trained, also those that stay at the site
  int64_t n_tensors = 0;
  int64_t macs = 0;
};

// The layer table that `hilum model describe` prints. Errors as SpecOf.
absl::StatusOr<Description> Describe(const ArchitectureOptions& options);

}  // namespace hilum::models

#endif  // HILUM_MODELS_ARCHITECTURE_H_
