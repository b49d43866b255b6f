// `hilum-ledger witness`: a witness that stands by itself, for outsiders and for tests.
#ifndef HILUM_CLI_LEDGER_WITNESS_H_
#define HILUM_CLI_LEDGER_WITNESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hilum::cli {

struct WitnessFlags {
  std::string dir;                // key and database
  std::string create;             // name of a new witness; "": none
  std::vector<std::string> logs;  // verifier keys of the logs to witness
  std::string listen = "127.0.0.1:7490";
  std::string check_policy;  // a tlog-policy file; "": none
  uint64_t faults = 0;
  bool pipe = false;  // serve standard input and output instead of a port
  bool evidence = false;
  bool json = false;
};

// Makes a witness, judges a policy, prints the evidence of forks, or serves until SIGTERM.
absl::Status RunWitness(const WitnessFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_WITNESS_H_
