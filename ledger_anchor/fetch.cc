#include "ledger_anchor/fetch.h"

#include <httplib.h>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/store.h"
#include "ledger_anchor/url.h"

namespace hilum::ledger_anchor {
namespace {

constexpr int kTimeoutSeconds = 20;

// Why there was no answer and what to do, in our words.
absl::string_view WhyUnreachable(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing listens there, or the name is unknown; check that the server runs and that "
             "the address is right";
    case httplib::Error::ConnectionTimeout:
      return "no answer came; check the address, the network and the firewall, then try again";
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
      return "its TLS certificate was not accepted; check the address";
    default:
      return "what answers there does not speak HTTP, or the connection broke; check that the "
             "address is that of the server's HTTP listener";
  }
}

absl::StatusOr<Bytes> Get(httplib::Client& client, const std::string& path, const std::string& url,
                          uint64_t limit_bytes) {
  Bytes body;
  bool too_long = false;
  const auto started = std::chrono::steady_clock::now();
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
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - started;
    return absl::UnavailableError(absl::StrFormat("%s could not be reached in %.1f s: %s", url,
                                                  waited.count(), WhyUnreachable(result.error())));
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

namespace {

LedgerPlace PlaceOfUrl(Fetch fetch) {
  LedgerPlace place;
  place.fetch = fetch;
  place.fetch_object = [fetch = std::move(fetch)](const Digest& digest,
                                                  uint64_t limit_bytes) -> absl::StatusOr<Bytes> {
    const std::string hex = ToHex(digest);
    HILUM_ASSIGN_OR_RETURN(
        Bytes bytes,
        fetch(absl::StrCat("objects/sha256/", hex.substr(0, 2), "/", hex.substr(2)), limit_bytes));
    if (crypto::Sha256(bytes) == digest) return bytes;
    return absl::DataLossError(absl::StrCat("the object ", hex, " came with other bytes"));
  };
  return place;
}

std::optional<fs::path> FirstWith(const fs::path& folder, std::initializer_list<const char*> inner,
                                  const char* file) {
  for (const char* name : inner) {
    std::error_code error;
    if (fs::exists(folder / name / file, error)) return (folder / name).lexically_normal();
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<LedgerPlace> LocateLedger(absl::string_view url_or_folder) {
  if (absl::StrContains(url_or_folder, "://")) {
    HILUM_ASSIGN_OR_RETURN(Fetch fetch, HttpFetch(url_or_folder));
    return PlaceOfUrl(std::move(fetch));
  }
  const fs::path folder{std::string(url_or_folder)};
  LedgerPlace place;
  place.served = FirstWith(folder, {".", "ledger/log", "log"}, "checkpoint");
  if (!place.served) {
    return absl::NotFoundError(absl::StrCat(
        "there is no ledger in ", folder.string(),
        "; it is a folder with the file \"checkpoint\", or the state folder above it"));
  }
  place.fetch = FolderFetch(*place.served);
  place.objects = FirstWith(folder, {"objects", "../objects", "../../objects"}, "sha256");
  place.sealed = FirstWith(folder, {"sealed", "../sealed", "../../sealed"}, "sha256");
  if (place.objects) {
    place.fetch_object = [store = Store::OpenForReading(*place.objects)](const Digest& digest,
                                                                         uint64_t limit_bytes) {
      return store.Get(digest, limit_bytes);
    };
  }
  return place;
}

}  // namespace hilum::ledger_anchor
