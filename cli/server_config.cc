#include "cli/server_config.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "aggregator/seal.h"
#include "base/status_macros.h"
#include "cli/address.h"
#include "cli/toml_reader.h"

namespace hilum::cli {
namespace {

constexpr int kMaxThreads = 256;  // of kernels/cpu.cc

void Override(std::string& value, const char* variable, const std::string& flag) {
  if (variable != nullptr) {
    const char* set = std::getenv(variable);
    if (set != nullptr && *set != '\0') value = set;
  }
  if (!flag.empty()) value = flag;
}

// Without a URL nothing else of the section would mean anything.
void ReadAnchor(TomlReader& reader, ServerConfig::Anchor& anchor) {
  reader.Section("anchor");
  reader.Text("url", anchor.url);
  reader.Text("ca", anchor.ca);
  reader.Text("policy", anchor.policy);
  reader.Integer("every_s", anchor.every_s, 0, 604800);
  if (anchor.url.empty()) {
    if (!anchor.ca.empty()) reader.Refuse("ca", "is set without a url of the authority");
    if (!anchor.policy.empty()) reader.Refuse("policy", "is set without a url of the authority");
    if (anchor.every_s != 0) reader.Refuse("every_s", "is set without a url of the authority");
    return;
  }
  if (!absl::StartsWith(anchor.url, "http://") && !absl::StartsWith(anchor.url, "https://")) {
    reader.Refuse("url", "is not http(s)://host[:port][/path]");
  }
  if (anchor.ca.empty()) {
    reader.Refuse("ca", "names no file with the authority's certificates, and url is set");
  }
}

std::string QuotedList(const std::vector<std::string>& texts) {
  return absl::StrJoin(texts, ", ", [](std::string* out, const std::string& text) {
    absl::StrAppend(out, "\"", text, "\"");
  });
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
  reader.Section("compute");
  reader.Text("device", config.device);
  reader.Integer("threads", config.threads, 0, kMaxThreads);
  reader.Integer("gpu_mib", config.gpu_mib, 64, 1 << 20);
  reader.Section("store");
  reader.Bool("seal", config.seal);
  reader.Texts("recipients", config.recipients);
  if (const auto parsed = aggregator::ParseRecipients(config.recipients); !parsed.ok()) {
    reader.Refuse("recipients", parsed.status().message());
  }
  ReadAnchor(reader, config.anchor);
  HILUM_RETURN_IF_ERROR(reader.Finish());
  Override(config.grpc, "HILUM_GRPC", overrides.grpc);
  Override(config.http, "HILUM_HTTP", overrides.http);
  Override(config.log_file, nullptr, overrides.log_file);
  Override(config.device, nullptr, overrides.device);
  if (overrides.threads >= 0) config.threads = overrides.threads;
  if (config.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("--threads ", config.threads, " was given, the range is 0 to ", kMaxThreads));
  }
  HILUM_RETURN_IF_ERROR(CheckAddress("the gRPC address ([listen] grpc, --grpc)", config.grpc, 0));
  HILUM_RETURN_IF_ERROR(CheckAddress("the HTTP address ([listen] http, --http)", config.http, 0));
  return config;
}

std::string FormatServerConfig(const ServerConfig& config) {
  const auto line = [](absl::string_view setting, absl::string_view comment) {
    return absl::StrFormat("%-42s  # %s\n", setting, comment);
  };
  const auto text = [&line](absl::string_view key, absl::string_view value,
                            absl::string_view comment) {
    return line(absl::StrCat(key, " = \"", value, "\""), comment);
  };
  return absl::StrCat(
      "# Hilum aggregation server. Unknown keys are errors. Every value can stay as it is.\n",
      "\n[listen]\n", text("grpc", config.grpc, "for sites and the ML lead: mutual TLS"),
      text("http", config.http, "ledger files, /metrics, /healthz: no secrets"), "\n[log]\n",
      text("file", config.log_file, "relative to this folder; \"\": none"),
      text("level", config.log_level, "debug, info, warning, error"), "\n[models]\n",
      line(absl::StrCat("max_mib = ", config.max_model_mib), "the largest model file, 1 to 4096"),
      text("licence", config.licence, "SPDX, in model-release entries"), "\n[audit]\n",
      line(absl::StrCat("keep_days = ", config.audit_days),
           "how long updates are kept at least, 0 to 36500"),
      "\n[compute]\n",
      text("device", config.device,
           "where updates are added up: auto, cpu, cuda:N, or GPUs: cuda:0,cuda:1"),
      line(absl::StrCat("threads = ", config.threads), "0: the cores it may use; at most 256"),
      line(absl::StrCat("gpu_mib = ", config.gpu_mib), "of a GPU's memory, 64 to 1048576"),
      "\n[store]\n",
      line(absl::StrCat("seal = ", config.seal ? "true" : "false"),
           "also keep each model as an age file, in sealed/"),
      line(absl::StrCat("recipients = [", QuotedList(config.recipients), "]"),
           "age1... who can open it, beside the members"),
      "\n[anchor]\n",
      text("url", config.anchor.url, "of a time-stamp authority (RFC 3161); \"\": none"),
      text("ca", config.anchor.ca, "its certificates, PEM; relative to this folder"),
      text("policy", config.anchor.policy, "OID that it must name; \"\": any"),
      line(absl::StrCat("every_s = ", config.anchor.every_s), "0: after each round; to 604800"));
}

}  // namespace hilum::cli
