#include "ledger_anchor/fetch.h"

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/store.h"
#include "ledger_anchor/url.h"

namespace hilum::ledger_anchor {
namespace {

// Of one file: the largest is a full bundle of 16 MiB.
constexpr absl::Duration kTotalTime = absl::Seconds(60);

// Of an answer that is not the file: a small object's "404" may say more than the object has bytes.
constexpr uint64_t kErrorPageBytes = 16 << 10;

absl::StatusOr<Bytes> Get(HttpClient& client, const std::string& host, const std::string& path,
                          uint64_t limit_bytes) {
  const absl::StatusOr<HttpClient::Reply> reply =
      client.Exchange({.path = path, .reply_limit_bytes = std::max(limit_bytes, kErrorPageBytes)});
  const bool good = reply.ok() && reply->status == 200;
  if (absl::IsResourceExhausted(reply.status()) || (good && reply->body.size() > limit_bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(host, path, " has more than ", limit_bytes, " bytes, the limit"));
  }
  if (!reply.ok()) return reply.status();
  if (good) return Bytes(reply->body.begin(), reply->body.end());
  const std::string text = absl::StrCat(host, path, " answered ", reply->status);
  if (reply->status == 404) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

}  // namespace

Fetch FolderFetch(fs::path folder) {
  return [folder = std::move(folder)](absl::string_view path, uint64_t limit_bytes) {
    return ReadFile(folder / std::string(path), limit_bytes);
  };
}

absl::StatusOr<Fetch> HttpFetch(absl::string_view url) {
  HILUM_ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  HILUM_ASSIGN_OR_RETURN(std::shared_ptr<HttpClient> client,
                         HttpClient::Create(parsed.host, {.total = kTotalTime}));
  return Fetch([client, parsed](absl::string_view path, uint64_t limit_bytes) {
    return Get(*client, parsed.host, absl::StrCat(parsed.prefix, "/", path), limit_bytes);
  });
}

namespace {

// A server has its log at the root of its address; an export that some other program serves as it
// lies has it in log/. Which of the two is found out with the first checkpoint.
Fetch FetchOfLog(Fetch root) {
  return [root = std::move(root), prefix = std::make_shared<std::string>()](
             absl::string_view path, uint64_t limit_bytes) -> absl::StatusOr<Bytes> {
    absl::StatusOr<Bytes> bytes = root(absl::StrCat(*prefix, path), limit_bytes);
    if (path != "checkpoint" || !prefix->empty() || !absl::IsNotFound(bytes.status())) return bytes;
    absl::StatusOr<Bytes> inner = root("log/checkpoint", limit_bytes);
    if (absl::IsNotFound(inner.status())) return bytes;
    if (inner.ok()) *prefix = "log/";
    return inner;
  };
}

LedgerPlace PlaceOfUrl(Fetch fetch) {
  LedgerPlace place;
  place.fetch = FetchOfLog(fetch);
  place.fetch_anchor = [fetch](absl::string_view path, uint64_t limit_bytes) {
    return fetch(absl::StrCat("anchors/", path), limit_bytes);
  };
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
  place.fetch_anchor = FolderFetch(*place.served / "../anchors");
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
