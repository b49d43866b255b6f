// Whom a released model is checked against, from what a person names on the command line.
#ifndef HILUM_CLIENT_PINS_H_
#define HILUM_CLIENT_PINS_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/ledger_gate.h"

namespace hilum::client {

// Exactly one of `site`, `policy` and `trust_log` is set.
struct PinSource {
  std::string site;       // a site's folder: what it pinned when it joined
  std::string policy;     // a tlog-policy file; the aggregator's entry key, where known, stands in
                          // aggregator.key beside it
  std::string trust_log;  // the log's vkey: that log, without witnesses
  std::string entry_key;  // base64: the aggregator's, with policy or trust_log; may be empty
  std::string release_key;  // PEM file of the key that signs releases; may be empty
};

// A release stands for good, so its witnesses' signatures do not grow stale.
// InvalidArgument: none or several are set, or a value does not parse. NotFound: no such file.
absl::StatusOr<ReleasePins> ReadPins(const PinSource& source);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PINS_H_
