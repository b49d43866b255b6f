#include "base/ids.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace hilum {
namespace {

constexpr size_t kMaxNameBytes = 63;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const bool ok = !name.empty() && name.size() <= kMaxNameBytes && name.front() != '-' &&
                  name.back() != '-' && std::all_of(name.begin(), name.end(), IsNameCharacter);
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", absl::CHexEscape(name.substr(0, 100)),
                   "\" is not a name: 1 to 63 characters of a-z, 0-9 and '-', no '-' at an end"));
}

}  // namespace hilum
