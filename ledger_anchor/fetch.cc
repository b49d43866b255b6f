#include "ledger_anchor/fetch.h"

#include <httplib.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace hilum::ledger_anchor {
namespace {

constexpr int kTimeoutSeconds = 20;

struct Url {
  std::string host;    // scheme://host[:port]
  std::string prefix;  // "" or "/a/b"
};

absl::StatusOr<Url> ParseUrl(absl::string_view url) {
  const size_t scheme = url.find("://");
  const bool known = absl::StartsWith(url, "http://") || absl::StartsWith(url, "https://");
  bool good = known && url.size() <= 2048 && url.find_first_of("?#@") == absl::string_view::npos;
  for (const char c : url) good = good && c > 0x20 && c < 0x7F;
  if (!good || url.size() == scheme + 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url.substr(0, 100), "\" is not http(s)://host[:port][/prefix]"));
  }
  const size_t slash = url.find('/', scheme + 3);
  Url parsed;
  parsed.host = std::string(url.substr(0, slash));
  if (slash != absl::string_view::npos) parsed.prefix = std::string(url.substr(slash));
  while (!parsed.prefix.empty() && parsed.prefix.back() == '/') parsed.prefix.pop_back();
  return parsed;
}

absl::StatusOr<Bytes> Get(httplib::Client& client, const std::string& path, const std::string& url,
                          uint64_t limit_bytes) {
  Bytes body;
  bool too_long = false;
  const httplib::Result result = client.Get(path, [&](const char* data, size_t size) {
    too_long = size > limit_bytes - body.size();
    if (!too_long) body.insert(body.end(), data, data + size);
    return !too_long;
  });
  if (too_long) {
    return absl::ResourceExhaustedError(
        absl::StrCat(url, " has more than ", limit_bytes, " bytes, the limit"));
  }
  if (!result) {
    return absl::UnavailableError(
        absl::StrCat("cannot reach ", url, ": ", httplib::to_string(result.error())));
  }
  if (result->status == 200) return body;
  const std::string text = absl::StrCat(url, " answered ", result->status);
  if (result->status == 404) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

}  // namespace

Fetch FolderFetch(fs::path folder) {
  return [folder = std::move(folder)](absl::string_view path, uint64_t limit_bytes) {
    return ReadFile(folder / std::string(path), limit_bytes);
  };
}

absl::StatusOr<Fetch> HttpFetch(absl::string_view url) {
  const absl::StatusOr<Url> parsed = ParseUrl(url);
  if (!parsed.ok()) return parsed.status();
  const auto client = std::make_shared<httplib::Client>(parsed->host);
  client->set_connection_timeout(kTimeoutSeconds);
  client->set_read_timeout(kTimeoutSeconds);
  client->set_keep_alive(true);
  return Fetch([client, parsed = *parsed](absl::string_view path, uint64_t limit_bytes) {
    const std::string full = absl::StrCat(parsed.prefix, "/", path);
    return Get(*client, full, parsed.host + full, limit_bytes);
  });
}

absl::StatusOr<Fetch> FetchFrom(absl::string_view url_or_folder) {
  if (absl::StrContains(url_or_folder, "://")) return HttpFetch(url_or_folder);
  const fs::path folder{std::string(url_or_folder)};
  for (const char* inner : {"", "ledger/log", "log"}) {
    std::error_code error;
    if (fs::exists(folder / inner / "checkpoint", error)) return FolderFetch(folder / inner);
  }
  return absl::NotFoundError(
      absl::StrCat("there is no ledger in ", folder.string(),
                   "; it is a folder with the file \"checkpoint\", or the state folder above it"));
}

}  // namespace hilum::ledger_anchor
