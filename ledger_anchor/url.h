// The addresses of logs and witnesses.
#ifndef HILUM_LEDGER_ANCHOR_URL_H_
#define HILUM_LEDGER_ANCHOR_URL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::ledger_anchor {

struct Url {
  std::string host;    // scheme://host[:port]
  std::string prefix;  // "" or "/a/b"
};

// InvalidArgument: not http(s)://host[:port][/prefix]; it has a query, a fragment, a user, a
// character outside 0x21..0x7E, or more than 2048 of them.
absl::StatusOr<Url> ParseUrl(absl::string_view url);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_URL_H_
