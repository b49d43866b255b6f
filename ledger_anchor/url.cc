#include "ledger_anchor/url.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hilum::ledger_anchor {

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

}  // namespace hilum::ledger_anchor
