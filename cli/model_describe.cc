#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/model_init.h"
#include "cli/output.h"
#include "models/architecture.h"

namespace hilum::cli {
namespace {

constexpr absl::string_view kNote =
    "COVID-Net-style (reconstructed): the official architecture was never released.\n"
    "MACs: multiplications of convolutions and linear layers for one image.\n";

std::string KindOf(const models::Layer& layer) {
  switch (layer.kind) {
    case models::LayerKind::kConvolution:
      return absl::StrCat("conv ", layer.slices > 0 ? absl::StrCat(layer.kernel_slices, "x") : "",
                          layer.kernel, "x", layer.kernel,
                          layer.stride > 1 ? absl::StrCat(" /", layer.stride) : "",
                          layer.groups > 1 ? " depth-wise" : "");
    case models::LayerKind::kNorm:
      return layer.groups == 0 ? "batch norm" : absl::StrCat("group norm ", layer.groups);
    case models::LayerKind::kLinear:
      return "linear";
  }
  return "";
}

// Channels, slices of a volume, rows, columns.
std::vector<int64_t> OutputOf(const models::Layer& layer) {
  std::vector<int64_t> extents(layer.output.begin(), layer.output.end());
  if (layer.slices > 0) extents.insert(extents.begin() + 1, layer.slices);
  return extents;
}

std::vector<int64_t> InputOf(const models::Description& network) {
  const models::ArchitectureOptions& options = network.options;
  const models::Layer& stem = network.layers.front();
  if (stem.slices == 0) return {options.channels, options.input_size, options.input_size};
  return {options.channels, stem.slices, stem.stride * stem.output[1],
          stem.stride * stem.output[2]};
}

nlohmann::ordered_json ToJson(const models::Description& network) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const models::Layer& layer : network.layers) {
    layers.push_back({{"name", layer.name},
                      {"kind", KindOf(layer)},
                      {"in", layer.in},
                      {"out", layer.out},
                      {"output", OutputOf(layer)},
                      {"n_params", layer.n_params},
                      {"macs", layer.macs}});
  }
  return {{"architecture", network.options.name},   {"reconstructed", true},
          {"n_classes", network.options.n_classes}, {"norm", network.options.norm},
          {"input_size", InputOf(network)},         {"n_params", network.n_params},
          {"n_tensors", network.n_tensors},         {"macs", network.macs},
          {"payload_bytes", 4 * network.n_params},  {"layers", layers}};
}

std::string SummaryOf(const std::vector<models::Description>& networks) {
  Table table({"network", "input", "parameters", "tensors", "GMACs", "payload"});
  for (const models::Description& network : networks) {
    table.AddRow({network.options.name, absl::StrCat(network.options.input_size),
                  absl::StrCat(network.n_params), absl::StrCat(network.n_tensors),
                  absl::StrFormat("%.3f", static_cast<double>(network.macs) * 1e-9),
                  FormatBytes(4.0 * static_cast<double>(network.n_params))});
  }
  return table.ToString();
}

std::string LayersOf(const models::Description& network) {
  Table table({"layer", "kind", "output", "parameters", "MACs"});
  for (const models::Layer& layer : network.layers) {
    table.AddRow({layer.name, KindOf(layer), absl::StrJoin(OutputOf(layer), " x "),
                  absl::StrCat(layer.n_params), absl::StrCat(layer.macs)});
  }
  return table.ToString();
}

}  // namespace

absl::Status RunModelDescribe(const ModelDescribeFlags& flags) {
  std::vector<models::Description> networks;
  for (const std::string& name :
       flags.architectures.empty() ? models::ArchitectureNames() : flags.architectures) {
    HILUM_ASSIGN_OR_RETURN(models::Description network,
                           models::Describe({name, flags.n_classes, flags.norm, flags.input_size}));
    networks.push_back(std::move(network));
  }
  if (flags.json) {
    nlohmann::ordered_json document = nlohmann::ordered_json::array();
    for (const models::Description& network : networks) document.push_back(ToJson(network));
    PrintJson(networks.size() == 1 ? document[0] : document);
    return absl::OkStatus();
  }
  if (networks.size() == 1) Print(absl::StrCat(LayersOf(networks[0]), "\n"));
  Print(absl::StrCat(SummaryOf(networks), "\n", kNote));
  return absl::OkStatus();
}

}  // namespace hilum::cli
