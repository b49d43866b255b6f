// The verbs of hilum-server.
#ifndef HILUM_CLI_SERVER_COMMANDS_H_
#define HILUM_CLI_SERVER_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/server_config.h"

namespace hilum::cli {

struct ServerFlags {
  std::string dir;
  bool json = false;
  std::string federation;          // init
  std::vector<std::string> hosts;  // init
  std::string site;                // invite, remove
  std::string ttl = "72h";         // invite
  ServerOverrides overrides;       // run
  bool print_config = false;       // run
  uint64_t faults = 1;             // policy
  bool install = false;            // policy
  std::string grace = "7d";        // gc
  bool expired = false;            // gc
  bool dry_run = false;            // gc
};

absl::Status InitServer(const ServerFlags& flags);
absl::Status InviteSite(const ServerFlags& flags);
absl::Status ListMembers(const ServerFlags& flags);
// A tlog-policy that names the witnesses of all members.
absl::Status MakeServerPolicy(const ServerFlags& flags);
// The running server's ledger and its witnesses. NotFound: none has run here. Unavailable: it does
// not answer.
absl::Status ShowStatus(const ServerFlags& flags);
absl::Status RemoveSite(const ServerFlags& flags);
// Deletes stored objects that nothing names.
absl::Status CollectGarbage(const ServerFlags& flags);
// Serves until SIGTERM or SIGINT.
absl::Status RunServer(const ServerFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SERVER_COMMANDS_H_
