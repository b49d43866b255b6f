// The site's witness in a process of its own, so that no fault of the agent, which reads what
// servers send, reaches the witness's key and memory.
#ifndef HILUM_CLIENT_WITNESS_PROCESS_H_
#define HILUM_CLIENT_WITNESS_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "ledger_anchor/witness_pipe.h"

namespace hilum::client {

// `hilum-ledger witness --dir FOLDER --log VKEY --pipe`. One thread uses it.
class WitnessProcess {
 public:
  // Unavailable: the program cannot be started.
  static absl::StatusOr<std::unique_ptr<WitnessProcess>> Start(const fs::path& program,
                                                               const fs::path& folder,
                                                               const std::string& log_vkey);
  ~WitnessProcess();  // the process ends: by itself, else killed after 2 s
  WitnessProcess(const WitnessProcess&) = delete;

  // Errors as CallWitnessPipe; then this process is of no more use.
  absl::StatusOr<ledger_anchor::WitnessReply> Call(ledger_anchor::WitnessCall call,
                                                   absl::string_view body);

 private:
  WitnessProcess(pid_t pid, ledger_anchor::PipeEnds ends) : pid_(pid), ends_(ends) {}
  pid_t pid_;
  ledger_anchor::PipeEnds ends_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_WITNESS_PROCESS_H_
