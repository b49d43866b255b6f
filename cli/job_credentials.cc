#include "cli/job_credentials.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "crypto/certificate.h"
#include "ledger_anchor/policy.h"

namespace hilum::cli {
namespace {

constexpr uint64_t kFileLimitBytes = 64 << 10;

absl::StatusOr<std::string> ReadPart(const fs::path& folder, absl::string_view name) {
  absl::StatusOr<std::string> text = ReadTextFile(folder / std::string(name), kFileLimitBytes);
  if (text.ok()) return text;
  return absl::InvalidArgumentError(absl::StrCat(
      "the credential folder ", folder.string(), " cannot be used: ", text.status().message(),
      "; --as or HILUM_CREDENTIALS names the folder that ",
      "`hilum server init` made (D/operator)."));
}

// What TLS would only answer with a connection that breaks.
absl::Status CheckIdentity(const fs::path& folder, const LeadCredentials& credentials) {
  absl::Status status = crypto::CheckKeyMatches(
      {.certificate_pem = credentials.certificate_pem, .key_pem = credentials.key_pem});
  if (status.ok()) {
    status = crypto::VerifyIssuedBy(credentials.certificate_pem, credentials.ca_pem,
                                    SystemClock().NowSeconds());
  }
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("ca.pem, cert.pem and key.pem of the credential folder ", folder.string(),
                   " do not fit: ", status.message(), "; ask the operator for D/operator again."));
}

// Empty: the folder has none.
absl::StatusOr<std::string> OptionalFile(const fs::path& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path, kFileLimitBytes);
  return absl::IsNotFound(text.status()) ? std::string() : text;
}

absl::StatusOr<std::string> PolicyOf(const fs::path& folder) {
  absl::StatusOr<std::string> text = OptionalFile(folder / "policy");
  if (!text.ok() || text->empty()) return text;
  const absl::Status usable = ledger_anchor::ParsePolicy(*text).status();
  if (usable.ok()) return text;
  return absl::InvalidArgumentError(
      absl::StrCat((folder / "policy").string(), ": ", usable.message()));
}

absl::Status CheckAddress(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon != absl::string_view::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 && port < 65536) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the server's address is \"", address, "\", but HOST:PORT is needed."));
}

}  // namespace

absl::StatusOr<LeadCredentials> ReadCredentials(const fs::path& folder, absl::string_view server) {
  LeadCredentials credentials;
  HILUM_ASSIGN_OR_RETURN(credentials.ca_pem, ReadPart(folder, "ca.pem"));
  HILUM_ASSIGN_OR_RETURN(credentials.certificate_pem, ReadPart(folder, "cert.pem"));
  HILUM_ASSIGN_OR_RETURN(credentials.key_pem, ReadPart(folder, "key.pem"));
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadPart(folder, "federation.json"));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto field = [&](const char* key) {
    const bool is_text = json.is_object() && json.contains(key) && json.at(key).is_string();
    return is_text ? json.at(key).get<std::string>() : std::string();
  };
  credentials.address = server.empty() ? field("address") : std::string(server);
  credentials.federation = field("federation");
  credentials.origin = field("origin");
  credentials.log_vkey = field("log_vkey");
  credentials.entry_key = field("entry_key");
  if (credentials.log_vkey.empty() || credentials.entry_key.empty() || credentials.origin.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat((folder / "federation.json").string(),
                     " must be a JSON object with origin, log_vkey and entry_key."));
  }
  HILUM_ASSIGN_OR_RETURN(credentials.policy, PolicyOf(folder));
  HILUM_ASSIGN_OR_RETURN(credentials.release_key, OptionalFile(folder / "release.pub"));
  HILUM_RETURN_IF_ERROR(CheckAddress(credentials.address));
  HILUM_RETURN_IF_ERROR(CheckIdentity(folder, credentials));
  return credentials;
}

}  // namespace hilum::cli
