#include "client/witness_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

extern char** environ;

namespace hilum::client {
namespace {

constexpr absl::Duration kAnswerLimit = absl::Seconds(8);  // below the server's patience
constexpr absl::Duration kEndLimit = absl::Seconds(2);

// A pipe whose ends no other program inherits.
absl::StatusOr<std::array<int, 2>> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) == 0) return ends;
  return absl::UnavailableError(absl::StrCat("no pipe to the witness: ", std::strerror(errno)));
}

// The child hears SIGINT and SIGTERM as any program: the agent may have blocked them.
int Spawn(const fs::path& program, std::array<const char*, 8> arguments, int in, int out,
          pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  // A group of its own: Ctrl-C at a terminal ends the agent, which then ends the witness.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, program.c_str(), &actions, &attributes,
                                const_cast<char* const*>(arguments.data()), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WitnessProcess>> WitnessProcess::Start(const fs::path& program,
                                                                      const fs::path& folder,
                                                                      const std::string& log_vkey) {
  const absl::StatusOr<std::array<int, 2>> to = MakePipe();
  if (!to.ok()) return to.status();
  const absl::StatusOr<std::array<int, 2>> from = MakePipe();
  if (!from.ok()) {
    for (const int fd : *to) close(fd);
    return from.status();
  }
  pid_t pid = 0;
  const int error = Spawn(program,
                          {program.c_str(), "witness", "--dir", folder.c_str(), "--log",
                           log_vkey.c_str(), "--pipe", nullptr},
                          (*to)[0], (*from)[1], &pid);
  close((*to)[0]);
  close((*from)[1]);
  if (error != 0) {
    close((*to)[1]);
    close((*from)[0]);
    return absl::UnavailableError(
        absl::StrCat("cannot start ", program.string(), ": ", std::strerror(error)));
  }
  return std::unique_ptr<WitnessProcess>(new WitnessProcess(pid, {(*from)[0], (*to)[1]}));
}

WitnessProcess::~WitnessProcess() {
  close(ends_.write_fd);
  close(ends_.read_fd);
  const absl::Time end = absl::Now() + kEndLimit;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (absl::Now() >= end) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      return;
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
}

absl::StatusOr<ledger_anchor::WitnessReply> WitnessProcess::Call(ledger_anchor::WitnessCall call,
                                                                 absl::string_view body) {
  return ledger_anchor::CallWitnessPipe(ends_, call, body, kAnswerLimit);
}

}  // namespace hilum::client
