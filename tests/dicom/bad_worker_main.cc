// A worker that an attacker took over: sets up the sandbox as hilum-dicom-worker does, then does
// what its argument says instead of reading.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "dicom/refusal.h"
#include "dicom/worker_serve.h"

namespace {

using namespace hilum;         // NOLINT: a test program
using namespace hilum::dicom;  // NOLINT

void Misbehave(const std::string& how) {
  if (how == "socket") (void)socket(AF_INET, SOCK_STREAM, 0);
  if (how == "connect") (void)connect(0, nullptr, 0);
  if (how == "execve") execl("/bin/true", "true", nullptr);
  if (how == "fork") (void)fork();
  if (how == "kill") (void)kill(getppid(), SIGTERM);
  if (how == "thread") std::thread([] {}).join();
  if (how == "code") {
    (void)mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (how == "limits") {
    const rlimit most{RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CPU, &most);
  }
  if (how == "crash") {
    std::signal(SIGSEGV, SIG_DFL);  // a sanitizer catches it
    std::raise(SIGSEGV);
  }
  if (how == "abort") std::abort();
  if (how == "exit") _exit(7);
  if (how == "hang") pause();  // forbidden, too: see "spin"
  volatile bool spins = how == "spin";
  while (spins) {
  }
  if (how == "memory") {  // address space alone: the machine has no use for five more gigabytes
    char* volatile vast = new char[size_t{5} << 30];
    vast[0] = 1;
  }
}

// Bytes that are no answer.
bool Lie(const std::string& how) {
  Bytes answer;
  if (how == "short") answer = {1, 0};
  if (how == "long") answer.assign(AnswerLimitBytes(96) + 1, 1);
  if (how == "text") answer = EncodeAnswer(Refuse(Refusal::kView, "a name\n\x1b[2J"));
  if (how == "status") answer = EncodeAnswer(absl::UnavailableError("stop everything"));
  if (how == "identifier") {
    ReadyFilm film;
    film.identity.patient_id = std::string(kIdentifierLimitBytes + 1, '1');
    answer = EncodeAnswer(film);
  }
  if (answer.empty()) return false;
  (void)WriteFrame(StandardPipe(), AsText(answer), absl::InfiniteFuture());
  return true;
}

// What a library may try without harm.
std::string Look() {
  FILE* const passwords = std::fopen("/etc/passwd", "r");
  rlimit cpu{}, memory{}, files{};
  getrlimit(RLIMIT_CPU, &cpu);
  getrlimit(RLIMIT_AS, &memory);
  getrlimit(RLIMIT_NOFILE, &files);
  return absl::StrCat("open=", passwords != nullptr, " access=", access("/", R_OK) == 0,
                      " cpu=", cpu.rlim_cur, " memory=", memory.rlim_max,
                      " files=", files.rlim_max);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "mute") return 0;
  if (how == "other") {
    (void)WriteFrame(StandardPipe(), "another program", absl::InfiniteFuture());
    return 0;
  }
  return ServeWorker([&](const FilmRequest& request, const Descriptor& file) {
    Misbehave(how);
    if (Lie(how)) _exit(0);
    if (how == "once") {  // answers, and is gone before it is asked again
      const Bytes answer = EncodeAnswer(ReadRequestedFilm(request, file));
      (void)WriteFrame(StandardPipe(), AsText(answer), absl::InfiniteFuture());
      _exit(0);
    }
    if (how == "look") return absl::StatusOr<ReadyFilm>(Refuse(Refusal::kView, Look()));
    return ReadRequestedFilm(request, file);
  });
}
