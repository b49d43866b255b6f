// The site's witness at work: the server's questions come down the stream that the site opens,
// since hospitals allow no inbound connections (docs/ledger.md). The witness is a process of its
// own: no fault of the agent, which reads what servers send, reaches its key and memory.
#ifndef HILUM_CLIENT_WITNESS_STREAM_H_
#define HILUM_CLIENT_WITNESS_STREAM_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/file.h"
#include "client/rpc.h"

namespace hilum::client {

struct WitnessStreamOptions {
  fs::path program;      // hilum-ledger
  fs::path folder;       // of the witness
  std::string log_vkey;  // the one log that it witnesses
  // From the stream's thread: OK once the server asks this witness, else what is wrong; each once
  // until it changes.
  std::function<void(const absl::Status&)> on_change;
};

// A thread that keeps the stream and the witness's process alive until it is destroyed.
class WitnessStream {
 public:
  // `connection` must outlive it, and be stopped (StopWatch) before it is destroyed.
  WitnessStream(Connection* connection, WitnessStreamOptions options);
  ~WitnessStream();
  WitnessStream(const WitnessStream&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_WITNESS_STREAM_H_
