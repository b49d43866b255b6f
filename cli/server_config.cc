#include "cli/server_config.h"

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/toml_reader.h"

namespace hilum::cli {
namespace {

absl::Status CheckAddress(absl::string_view what, const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != std::string::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is \"", address, "\"; it must be HOST:PORT with a port of 0 to 65535"));
}

void Override(std::string& value, const char* variable, const std::string& flag) {
  if (variable != nullptr) {
    const char* set = std::getenv(variable);
    if (set != nullptr && *set != '\0') value = set;
  }
  if (!flag.empty()) value = flag;
}

}  // namespace

absl::StatusOr<ServerConfig> ReadServerConfig(const fs::path& folder,
                                              const ServerOverrides& overrides) {
  ServerConfig config;
  HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Open(folder / "server.toml"));
  reader.Section("listen");
  reader.Text("grpc", config.grpc);
  reader.Text("http", config.http);
  reader.Section("log");
  reader.Text("file", config.log_file);
  reader.OneOf("level", config.log_level, {"debug", "info", "warning", "error"});
  reader.Section("models");
  reader.Integer("max_mib", config.max_model_mib, 1, 4096);
  reader.Text("licence", config.licence);
  reader.Section("audit");
  reader.Integer("keep_days", config.audit_days, 0, 36500);
  HILUM_RETURN_IF_ERROR(reader.Finish());
  Override(config.grpc, "HILUM_GRPC", overrides.grpc);
  Override(config.http, "HILUM_HTTP", overrides.http);
  Override(config.log_file, nullptr, overrides.log_file);
  HILUM_RETURN_IF_ERROR(CheckAddress("the gRPC address ([listen] grpc, --grpc)", config.grpc));
  HILUM_RETURN_IF_ERROR(CheckAddress("the HTTP address ([listen] http, --http)", config.http));
  return config;
}

std::string FormatServerConfig(const ServerConfig& config) {
  return absl::StrCat(
      "# Hilum aggregation server. Unknown keys are errors. Every value can stay as it is.\n\n",
      "[listen]\n", "grpc = \"", config.grpc,
      "\"         # for sites and the ML lead: mutual TLS\n", "http = \"", config.http,
      "\"         # ledger files, /metrics, /healthz: no secrets\n\n", "[log]\n", "file = \"",
      config.log_file, "\"        # relative to this folder; \"\": none\n", "level = \"",
      config.log_level, "\"                # debug, info, warning, error\n\n", "[models]\n",
      "max_mib = ", config.max_model_mib, "                # the largest model file, 1 to 4096\n",
      "licence = \"", config.licence, "\"  # SPDX, in model-release entries\n\n", "[audit]\n",
      "keep_days = ", config.audit_days,
      "               # how long updates are kept at least, 0 to 36500\n");
}

}  // namespace hilum::cli
