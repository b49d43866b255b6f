// The layout of a model as one flat vector. To all but models/ a model is nothing else.
#ifndef HILUM_BASE_MODEL_SPEC_H_
#define HILUM_BASE_MODEL_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

namespace hilum {

// One named tensor: float32, row-major, at `offset` values from the start of the flat vector.
struct TensorSpec {
  std::string name;            // as in the PyTorch state_dict of the documented module
  std::vector<int64_t> shape;  // every extent >= 1; empty for a scalar
  int64_t offset = 0;          // in values
  int64_t size = 0;            // in values: the product of the shape
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// The tensors in the order of the flat vector, without gaps: each starts where the last ended.
struct ModelSpec {
  std::string architecture;  // for example "covidnet-nano"
  std::vector<TensorSpec> tensors;
  friend bool operator==(const ModelSpec&, const ModelSpec&) = default;

  // The length of the flat vector, in values.
  int64_t n_params() const {
    return tensors.empty() ? 0 : tensors.back().offset + tensors.back().size;
  }
};

}  // namespace hilum

#endif  // HILUM_BASE_MODEL_SPEC_H_
