// HOST:PORT, as flags and configuration files give it.
#ifndef HILUM_CLI_ADDRESS_H_
#define HILUM_CLI_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hilum::cli {

// InvalidArgument: `address` has no host, or its port is not a number from `min_port` to 65535.
// `what` names the flag or key in the sentence. min_port is 0 where a program listens (any free
// port), 1 where it connects.
absl::Status CheckAddress(absl::string_view what, const std::string& address, uint16_t min_port);

}  // namespace hilum::cli

#endif  // HILUM_CLI_ADDRESS_H_
