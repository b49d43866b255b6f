#include "dicom/peer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/child_process.h"
#include "base/frame.h"
#include "base/status_macros.h"

namespace hilum::dicom {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(30);
constexpr absl::Duration kAnswerLimit = absl::Seconds(10);  // a frame to a process that reads
constexpr absl::Duration kEndLimit = absl::Seconds(2);
constexpr absl::Duration kLook = absl::Milliseconds(200);  // between two looks at the stop flag
// What stands before a data set in a file.
constexpr uint64_t kHeadBytes = 4096;

using Kind = PeerEvent::Kind;

absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const fs::path& given, const PeerTask& task) {
  fs::path program = given;
  if (program.empty()) {
    HILUM_ASSIGN_OR_RETURN(program, PeerProgram());
  }
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process, ChildProcess::Start(program, {}));
  HILUM_RETURN_IF_ERROR(
      WriteFrame(process->pipe(), EncodePeerTask(task), absl::Now() + kStartLimit));
  return process;
}

// One association on our side of the pipe.
class Reception {
 public:
  Reception(const ChildProcess& process, const ReceiveOptions& options, ObjectSink& sink,
            const std::atomic<bool>& stop)
      : ends_(process.pipe()), options_(options), sink_(sink), stop_(stop) {}

  ReceiveReport Run() {
    const absl::Time end = absl::Now() + options_.association;
    while (report_.end.empty()) {
      const absl::Time look = std::min(end, absl::Now() + kLook);
      if (WaitForFrame(ends_, look)) {
        Next();
      } else if (stop_) {
        report_.end = "stopped";
      } else if (absl::Now() >= end) {
        report_.end = "time";
      }
    }
    return std::move(report_);
  }

  // Whether the process ended the association, and so ends by itself.
  bool said_end() const { return said_end_; }

 private:
  void Next() {
    const absl::StatusOr<std::string> frame =
        ReadFrame(ends_, kPeerEventLimitBytes, absl::Now() + kAnswerLimit);
    absl::StatusOr<PeerEvent> event =
        frame.ok() ? DecodePeerEvent(*frame) : absl::StatusOr<PeerEvent>(frame.status());
    if (!event.ok()) {
      report_.end = "crashed";
      return;
    }
    switch (event->kind) {
      case Kind::kReady:
        return;
      case Kind::kCaller:
        report_.caller = std::move(event->text);
        return;
      case Kind::kObject:
        return Begin();
      case Kind::kStored:
        return Take(event->text);
      case Kind::kRefused:
        file_.reset();
        report_.refused.push_back(std::move(event->text));
        return;
      case Kind::kEnd:
        report_.end = std::move(event->text);
        said_end_ = true;
        return;
    }
  }

  void Begin() {
    // The process counts too; this is the count of one that was taken over.
    if (++n_objects_ > options_.objects) {
      report_.end = "limit";
      return;
    }
    absl::StatusOr<NewFile> file = sink_.Begin();
    if (!file.ok() || !SendDescriptor(ends_, file->descriptor()).ok()) {
      report_.end = "no file";
      return;
    }
    file_ = std::make_unique<NewFile>(*std::move(file));
  }

  void Take(const std::string& sop_uid) {
    const absl::StatusOr<uint64_t> size_bytes =
        file_ == nullptr ? absl::StatusOr<uint64_t>(absl::InternalError("no file"))
                         : file_->size_bytes();
    if (!size_bytes.ok() || *size_bytes > options_.object_bytes + kHeadBytes) {
      report_.end = "crashed";
      return;
    }
    n_bytes_ += *size_bytes;
    const bool taken = n_bytes_ <= options_.association_bytes + kHeadBytes * n_objects_ &&
                       sink_.Take(std::move(*std::exchange(file_, nullptr)), sop_uid).ok();
    if (taken) ++report_.stored;
    if (!WriteFrame(ends_, taken ? kPeerTaken : kPeerNoRoom, absl::Now() + kAnswerLimit).ok()) {
      report_.end = "crashed";
    }
  }

  const PipeEnds& ends_;
  const ReceiveOptions& options_;
  ObjectSink& sink_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<NewFile> file_;  // of the object that is coming
  int n_objects_ = 0;
  uint64_t n_bytes_ = 0;
  bool said_end_ = false;
  ReceiveReport report_;
};

// The process' first words: an event, or why there is none.
absl::Status AwaitReady(ChildProcess& process) {
  const absl::StatusOr<std::string> first =
      ReadFrame(process.pipe(), kPeerEventLimitBytes, absl::Now() + kStartLimit);
  if (first.ok() && *first == EncodePeerEvent({Kind::kReady})) return absl::OkStatus();
  process.End(kEndLimit);
  return absl::UnavailableError(absl::StrCat(
      "hilum-dicom-peer does not start: ", first.ok() ? *first : "it ended without a word", "."));
}

}  // namespace

absl::StatusOr<std::filesystem::path> PeerProgram() {
  HILUM_ASSIGN_OR_RETURN(const fs::path beside, SiblingProgram("hilum-dicom-peer"));
  std::error_code ignored;
  if (fs::exists(beside, ignored)) return beside;
  const fs::path bin = beside.parent_path().parent_path() / "bin" / beside.filename();
  if (fs::exists(bin, ignored)) return bin;
  return absl::UnavailableError(
      absl::StrCat("there is no ", beside.string(), ", which speaks with DICOM peers"));
}

absl::StatusOr<ReceiveReport> ReceiveAssociation(Descriptor connection,
                                                 const ReceiveOptions& options, ObjectSink& sink,
                                                 const std::atomic<bool>& stop) {
  const PeerTask task = {.ae_title = options.ae_title,
                         .callers = options.callers,
                         .association_bytes = options.association_bytes,
                         .object_bytes = options.object_bytes,
                         .objects = options.objects,
                         .idle_s = static_cast<int>(absl::ToInt64Seconds(options.idle)),
                         .tls = options.tls};
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcess> process, Start(options.program, task));
  {
    // Ours is closed here, so that the connection ends with the process.
    const Descriptor passed = std::move(connection);
    HILUM_RETURN_IF_ERROR(SendDescriptor(process->pipe(), passed));
  }
  HILUM_RETURN_IF_ERROR(AwaitReady(*process));
  Reception reception(*process, options, sink, stop);
  ReceiveReport report = reception.Run();
  process->End(reception.said_end() ? kEndLimit : absl::ZeroDuration());
  return report;
}

absl::Status Echo(const EchoOptions& options) {
  const PeerTask task = {.kind = PeerTask::Kind::kEcho,
                         .ae_title = options.ae_title,
                         .idle_s = static_cast<int>(absl::ToInt64Seconds(options.patience)),
                         .host = options.host,
                         .called = options.called,
                         .port = options.port,
                         .tls = options.tls};
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcess> process, Start(options.program, task));
  // Connecting, associating and the echo each have the patience.
  const absl::StatusOr<std::string> answer =
      ReadFrame(process->pipe(), kPeerEventLimitBytes, absl::Now() + 4 * options.patience);
  process->End(kEndLimit);
  if (answer.ok() && *answer == EncodePeerEvent({Kind::kEnd, "released"})) return absl::OkStatus();
  return absl::FailedPreconditionError(
      answer.ok() ? *answer : "it takes the connection and says nothing: is it a DICOM service?");
}

}  // namespace hilum::dicom
