#include "cli/address.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hilum::cli {

absl::Status CheckAddress(absl::string_view what, const std::string& address, uint16_t min_port) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != std::string::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= min_port && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is \"", address, "\"; it must be HOST:PORT with a port of ", min_port, " to 65535"));
}

}  // namespace hilum::cli
