// `hilum server status`: asks the running server over its HTTP listener.
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/server_commands.h"

namespace hilum::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kAddressesBytes = 4096;
constexpr uint64_t kStatusBytes = 4 << 20;  // 512 witnesses and their words

// Where the server listens: what it wrote when it started.
absl::StatusOr<std::string> HttpAddress(const std::string& dir) {
  const fs::path path = fs::path(dir) / "run/addresses.json";
  const absl::StatusOr<std::string> text = ReadTextFile(path, kAddressesBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(path.string(), " is not there: no server has run in ",
                                            dir, "; start hilum server run"));
  }
  HILUM_RETURN_IF_ERROR(text.status());
  const Json addresses = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto http = addresses.is_object() ? addresses.find("http") : addresses.end();
  if (http == addresses.end() || !http->is_string()) {
    return absl::DataLossError(absl::StrCat(path.string(), " names no HTTP address"));
  }
  return http->get<std::string>();
}

absl::StatusOr<Json> AskStatus(const std::string& address) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<HttpClient> client,
                         HttpClient::Create(absl::StrCat("http://", address)));
  HILUM_ASSIGN_OR_RETURN(const HttpClient::Reply reply,
                         client->Exchange({.path = "/status", .reply_limit_bytes = kStatusBytes}));
  Json status = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  if (reply.status == 200 && status.is_object() && status.contains("witnesses") &&
      status["witnesses"].is_array()) {
    return status;
  }
  return absl::UnavailableError(
      absl::StrCat("what listens at ", address, " answers ", reply.status,
                   " and no status: another program, or a server of another version"));
}

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string StatusText(const Json& status) {
  std::string text = absl::StrCat("sites connected   ", TextOf(status, "sites_connected"),
                                  "\nledger entries    ", TextOf(status, "ledger_entries"),
                                  " signed, ", TextOf(status, "published_entries"), " published, ",
                                  TextOf(status, "anchored_entries"), " under a receipt\n");
  const Json& witnesses = status["witnesses"];
  if (witnesses.empty()) {
    return text +
           "witnesses         none: the policy is `quorum none`, nobody vouches for the log\n";
  }
  Table table({"witness", "connected", "cosigned entries", "trouble"});
  for (const Json& witness : witnesses) {
    if (!witness.is_object()) continue;
    table.AddRow({TextOf(witness, "name"), TextOf(witness, "connected") == "true" ? "yes" : "no",
                  TextOf(witness, "cosigned_entries"), Shortened(TextOf(witness, "trouble"), 120)});
  }
  return absl::StrCat(text, "\n", table.ToString());
}

}  // namespace

absl::Status ShowStatus(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::string address, HttpAddress(flags.dir));
  HILUM_ASSIGN_OR_RETURN(const Json status, AskStatus(address));
  if (flags.json) {
    PrintJson(status);
  } else {
    Print(StatusText(status));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli
