// hilum model init, hilum model describe.
#ifndef HILUM_CLI_MODEL_INIT_H_
#define HILUM_CLI_MODEL_INIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct ModelInitFlags {
  std::string architecture;
  uint64_t seed = 0;
  std::string out;  // the folder to make
  std::vector<std::string> classes{"normal", "pneumonia"};
  std::string profile;  // empty: the one of the network's own size
  std::string norm = "group";
  std::vector<std::string> local_layers;  // patterns of tensors that stay at each site
  int min_age_years = 18;
  bool json = false;
};

// Writes OUT/model.safetensors and OUT/model.json and prints the model's SHA-256. The same flags
// give the same bytes on every computer.
// NotFound: architecture or profile. InvalidArgument: classes, norm, a profile of a size that the
// network does not take, or OUT holds a model already.
absl::Status RunModelInit(const ModelInitFlags& flags);

struct ModelDescribeFlags {
  std::vector<std::string> architectures;  // empty: all
  int n_classes = 3;
  int input_size = 0;  // pixels; 0: the network's own
  std::string norm = "group";
  bool json = false;
};

// Prints the layer table of one network, or one row a network for several.
// NotFound, InvalidArgument: as models::Describe.
absl::Status RunModelDescribe(const ModelDescribeFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_MODEL_INIT_H_
