// server.toml: what an operator may set. The ranges stand in the reader and in docs/server.md.
#ifndef HILUM_CLI_SERVER_CONFIG_H_
#define HILUM_CLI_SERVER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::cli {

struct ServerConfig {
  std::string grpc = "127.0.0.1:7443";  // HOST:PORT; port 0: any free one
  std::string http = "127.0.0.1:7480";
  std::string log_file = "logs/server.log";  // relative to the server's folder; "": none
  std::string log_level = "info";            // debug, info, warning, error
  uint64_t max_model_mib = 1024;             // 1..4096
  uint16_t audit_days = 365;                 // 0..36500
  std::string device = "cpu";                // auto, cpu, cuda:N or a list of GPUs
  int threads = 0;                           // 0..256; 0: the cores that the process may use
  uint64_t gpu_mib = 4096;                   // of a GPU's memory, 64..1048576
  std::string licence = "LicenseRef-research-use-only";  // of released models, SPDX
  bool seal = false;                                     // [store] seal
  std::vector<std::string> recipients;                   // age1…, beside those of the members
  struct Anchor {
    std::string url;       // of a time-stamp authority (RFC 3161); "": none
    std::string ca;        // its certificates, a PEM file; relative to the server's folder
    std::string policy;    // an OID that its receipts must name; "": any
    uint64_t every_s = 0;  // 0: after each round; up to 604800
  } anchor;
};

// What the command line says; an empty string leaves the file's value.
struct ServerOverrides {
  std::string grpc;
  std::string http;
  std::string log_file;
  std::string device;
  int threads = -1;  // -1: the file's
};

// Reads FOLDER/server.toml; then HILUM_GRPC and HILUM_HTTP, then `overrides`.
// NotFound: no such file. InvalidArgument: an unknown key, a wrong type, a value out of its range,
// an address that is not HOST:PORT,
// or a number of threads beyond 256.
absl::StatusOr<ServerConfig> ReadServerConfig(const fs::path& folder,
                                              const ServerOverrides& overrides);

// The file as `hilum server init` writes it, and --print-config prints it.
std::string FormatServerConfig(const ServerConfig& config);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SERVER_CONFIG_H_
