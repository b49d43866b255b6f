// A witness over HTTP, as C2SP tlog-witness has it: POST add-checkpoint, GET <hex H(origin)>/
// checkpoint. The hospitals' witnesses need no listener: their site's own stream carries the bytes.
#ifndef HILUM_LEDGER_ANCHOR_WITNESS_HTTP_H_
#define HILUM_LEDGER_ANCHOR_WITNESS_HTTP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/http_server.h"
#include "ledger_anchor/feed.h"
#include "ledger_anchor/witness.h"

namespace hilum::ledger_anchor {

// Answers until the result is stopped or destroyed; `witness` and `clock` must outlive it.
// Errors: as HttpService::Start.
absl::StatusOr<std::unique_ptr<HttpService>> ServeWitness(const Witness& witness,
                                                          const Clock& clock,
                                                          const std::string& address,
                                                          const HttpLimits& limits = {});

// The log's way to a witness at `url`, http(s)://host[:port][/prefix], which is the prefix of both
// calls. One thread at a time. InvalidArgument: another form of URL.
absl::StatusOr<std::unique_ptr<WitnessTransport>> HttpWitness(absl::string_view url,
                                                              absl::string_view origin);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_WITNESS_HTTP_H_
