#include "dicom/worker.h"

#include <csignal>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/child_process.h"
#include "base/descriptor.h"
#include "base/frame.h"
#include "base/status_macros.h"
#include "dicom/file_bytes.h"
#include "dicom/film.h"
#include "dicom/refusal.h"
#include "dicom/worker_messages.h"
#include "dicom/worker_sandbox.h"

namespace hilum::dicom {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(30);  // a busy computer with a cold disk
constexpr absl::Duration kEndLimit = absl::Seconds(2);

// How the worker's end looks to a person. Signals by number: their names are the system's.
std::string EndText(const ChildEnd& end, absl::Duration file_limit) {
  if (end.was_killed) {
    return absl::StrCat("the decoder gave no answer within ", absl::ToInt64Seconds(file_limit),
                        " s");
  }
  if (end.signal == SIGSYS) return "the decoder made a system call that its sandbox forbids";
  if (end.signal == SIGXCPU) return "the decoder used up its processor time";
  if (end.signal != 0) return absl::StrCat("the decoder crashed with signal ", end.signal);
  if (end.exit_code == kOutOfMemoryExit) return "the decoder asked for more memory than it may use";
  return absl::StrCat("the decoder ended with code ", end.exit_code);
}

}  // namespace

absl::StatusOr<std::filesystem::path> WorkerProgram() {
  HILUM_ASSIGN_OR_RETURN(const fs::path beside, SiblingProgram("hilum-dicom-worker"));
  std::error_code ignored;
  if (fs::exists(beside, ignored)) return beside;
  const fs::path bin = beside.parent_path().parent_path() / "bin" / beside.filename();
  if (fs::exists(bin, ignored)) return bin;
  return absl::UnavailableError(
      absl::StrCat("there is no ", beside.string(), ", which reads DICOM files"));
}

// One process, used by one thread at a time.
class WorkerPool::Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerOptions& options) {
    fs::path program = options.program;
    if (program.empty()) {
      HILUM_ASSIGN_OR_RETURN(program, WorkerProgram());
    }
    HILUM_ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process,
                           ChildProcess::Start(program, options.arguments));
    const absl::StatusOr<std::string> greeting =
        ReadFrame(process->pipe(), kSentenceLimitBytes, absl::Now() + kStartLimit);
    if (greeting.ok() && *greeting == kWorkerReady) {
      return std::unique_ptr<Worker>(new Worker(options, std::move(process)));
    }
    const ChildEnd end = process->End(kEndLimit);
    std::string why = EndText(end, kStartLimit);
    if (greeting.ok()) {
      why = end.exit_code == kNoSandboxExit ? *greeting : "it is not the worker of this release";
    }
    return absl::UnavailableError(
        absl::StrCat(program.string(), " does not start: ", why, "; nothing is read without it."));
  }

  // The answer, or WORKER. After anything but a well-formed answer the process is gone.
  absl::StatusOr<ReadyFilm> Read(const FilmRequest& request, const Descriptor& file, int size_px) {
    ++n_files_;
    const absl::Time end = absl::Now() + options_.file_limit;
    const Bytes message = EncodeRequest(request);
    absl::Status sent = WriteFrame(process_->pipe(), AsText(message), end);
    if (sent.ok()) sent = SendDescriptor(process_->pipe(), file);
    if (!sent.ok()) return Ended(sent);
    const absl::StatusOr<std::string> frame =
        ReadFrame(process_->pipe(), AnswerLimitBytes(size_px), end);
    if (!frame.ok()) return Ended(frame.status());
    absl::StatusOr<ReadyFilm> film = DecodeAnswer(AsBytes(*frame), size_px);
    if (CodeOf(film.status()) == NameOf(Refusal::kWorker)) process_ = nullptr;
    return film;
  }

  // One that died since its last answer would cost a film that it never saw, and an honest one has
  // nothing to say before it is asked.
  bool may_go_on() const {
    return process_ != nullptr && n_files_ < options_.files_limit &&
           absl::Now() - started_ < options_.worker_limit && IsQuiet(process_->pipe());
  }

 private:
  Worker(const WorkerOptions& options, std::unique_ptr<ChildProcess> process)
      : options_(options), process_(std::move(process)) {}

  absl::Status Ended(const absl::Status& status) {
    if (absl::IsInvalidArgument(status)) {
      process_ = nullptr;
      return Refuse(Refusal::kWorker, "the decoder's answer is longer than a film of the profile");
    }
    const bool late = absl::IsDeadlineExceeded(status);
    const ChildEnd end = process_->End(late ? absl::ZeroDuration() : kEndLimit);
    process_ = nullptr;
    if (end.was_killed && !late) {
      return Refuse(Refusal::kWorker, "the decoder closed its pipe without an answer");
    }
    return Refuse(Refusal::kWorker, EndText(end, options_.file_limit));
  }

  const WorkerOptions& options_;
  std::unique_ptr<ChildProcess> process_;
  absl::Time started_ = absl::Now();
  int n_files_ = 0;
};

WorkerPool::WorkerPool(WorkerOptions options) : options_(std::move(options)) {}
WorkerPool::~WorkerPool() = default;

int WorkerPool::n_started() const {
  const std::lock_guard lock(mutex_);
  return n_started_;
}

absl::StatusOr<std::unique_ptr<WorkerPool::Worker>> WorkerPool::Take() {
  std::vector<std::unique_ptr<Worker>> too_old;  // end after the lock
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<Worker> worker = std::move(idle_.back());
      idle_.pop_back();
      if (worker->may_go_on()) return worker;
      too_old.push_back(std::move(worker));
    }
    ++n_started_;
  }
  return Worker::Start(options_);
}

void WorkerPool::GiveBack(std::unique_ptr<Worker> worker) {
  if (!worker->may_go_on()) return;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

absl::Status WorkerPool::Probe() {
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<Worker> worker, Take());
  GiveBack(std::move(worker));
  return absl::OkStatus();
}

absl::StatusOr<PixelVolume> WorkerPool::Read(const std::filesystem::path& path,
                                             const Profile& profile, const Pseudonym& pseudonym,
                                             const ReadOptions& options) {
  // The worker knows profiles by name only.
  HILUM_ASSIGN_OR_RETURN(const Profile known, FindProfile(profile.name));
  if (known.canonical_text() != profile.canonical_text()) {
    return absl::InvalidArgumentError(
        absl::StrCat("profile ", profile.name, " is not the one of this release"));
  }
  const absl::StatusOr<Descriptor> file = OpenForReading(path);
  if (!file.ok()) return RefusalOfFile(file.status(), options.limits);
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<Worker> worker, Take());
  absl::StatusOr<ReadyFilm> film =
      worker->Read({.profile = profile.name, .options = options}, *file, profile.size_px);
  GiveBack(std::move(worker));
  HILUM_RETURN_IF_ERROR(film.status());
  return ToVolume(*std::move(film), profile, pseudonym);
}

}  // namespace hilum::dicom
