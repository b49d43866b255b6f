#include "base/child_process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"

extern char** environ;

namespace hilum {
namespace {

constexpr absl::Duration kEndLimit = absl::Seconds(2);

// The child hears SIGINT and SIGTERM as any program: this one may have blocked them.
int Spawn(const fs::path& program, std::vector<char*>& arguments, int of_child, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, of_child, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, of_child, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const int error =
      posix_spawn(pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<fs::path> SiblingProgram(absl::string_view name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) return self.parent_path() / std::string(name);
  return absl::UnavailableError(absl::StrCat(
      "cannot find ", name, " beside this program: /proc/self/exe: ", error.message()));
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const fs::path& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::UnavailableError(
        absl::StrCat("no pipe to ", program.string(), ": ", std::strerror(errno)));
  }
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  const int error = Spawn(program, pointers, ends[1], &pid);
  close(ends[1]);
  if (error == 0) {
    return std::unique_ptr<ChildProcess>(new ChildProcess(pid, {ends[0], ends[0]}));
  }
  close(ends[0]);
  return absl::UnavailableError(
      absl::StrCat("cannot start ", program.string(), ": ", std::strerror(error)));
}

ChildEnd ChildProcess::End(absl::Duration patience) {
  HILUM_CHECK(pid_ > 0);
  const absl::Time end = absl::Now() + patience;
  ChildEnd result;
  int status = 0;
  for (pid_t ended = 0; ended == 0;) {
    ended = waitpid(pid_, &status, WNOHANG);
    if (ended != 0) break;
    if (absl::Now() >= end) {
      result.was_killed = true;
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      break;
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  pid_ = 0;
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

ChildProcess::~ChildProcess() {
  close(ends_.read_fd);  // both ways
  if (pid_ > 0) End(kEndLimit);
}

}  // namespace hilum
