// A program of ours that this one runs and talks to through its standard input and output.
#ifndef HILUM_BASE_CHILD_PROCESS_H_
#define HILUM_BASE_CHILD_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/frame.h"

namespace hilum {

// The path of a program that lies in the same folder as this one. Unavailable: /proc is missing.
absl::StatusOr<fs::path> SiblingProgram(absl::string_view name);

// How a child ended.
struct ChildEnd {
  bool was_killed = false;  // by us, since it had not ended
  int signal = 0;           // that ended it; 0: it ended by itself
  int exit_code = 0;        // when signal is 0
};

// Its standard error is ours. It is of a group of its own: Ctrl-C at a terminal reaches this
// program alone, which then ends the child.
class ChildProcess {
 public:
  // Unavailable: the program cannot be started.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const fs::path& program, const std::vector<std::string>& arguments);
  // Closes the pipe, which ends a child that reads; one that lives on is killed after 2 s.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;

  const PipeEnds& pipe() const { return ends_; }
  int pid() const { return pid_; }
  // Waits up to `patience` for the child to end by itself, then kills it. Once only.
  ChildEnd End(absl::Duration patience);

 private:
  ChildProcess(int pid, PipeEnds ends) : pid_(pid), ends_(ends) {}
  int pid_;
  PipeEnds ends_;
};

}  // namespace hilum

#endif  // HILUM_BASE_CHILD_PROCESS_H_
