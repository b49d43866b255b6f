#include "cli/job_watch.h"

#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/terminal.h"
#include "cli/job_view.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

// A try takes a second itself while nothing listens: two minutes in all.
constexpr int kReturnTries = 60;
constexpr auto kReturnPause = std::chrono::seconds(1);
constexpr auto kStopPoll = std::chrono::milliseconds(50);

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void RequestStop(int) { stop_requested = true; }

// Draws a page over the one before.
class LivePage {
 public:
  void Draw(const std::string& page) {
    if (lines_ > 0) Print(absl::StrCat("\x1b[", lines_, "A\x1b[J"));
    Print(page);
    lines_ = 0;
    for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(page, "\n"), '\n')) {
      lines_ += RowsOf(line);
    }
  }

 private:
  // What a line takes on the terminal, which breaks a long one.
  static size_t RowsOf(absl::string_view line) {
    const size_t columns = TerminalColumns(StandardStream::kOutput);
    return 1 + (Characters(line) - (line.empty() ? 0 : 1)) / columns;
  }
  size_t lines_ = 0;
};

class Viewer {
 public:
  explicit Viewer(bool json) : json_(json) {}

  void Show(const v1::JobStatus& status) {
    if (json_) {
      PrintJsonLine(StatusToJson(status));
    } else if (terminal_) {
      page_.Draw(StatusPage(status));
    } else {
      for (const std::string& line : Changes(last_, status)) Print(line + "\n");
    }
    last_ = status;
  }
  const v1::JobStatus& last() const { return last_; }

 private:
  const bool json_;
  const bool terminal_ = IsTerminal(StandardStream::kOutput);
  LivePage page_;
  v1::JobStatus last_;
};

void Pause() {
  for (auto left = std::chrono::milliseconds(kReturnPause); left.count() > 0 && !stop_requested;
       left -= kStopPoll) {
    std::this_thread::sleep_for(kStopPoll);
  }
}

// Whether the job got what it was launched for.
absl::Status Outcome(const v1::JobStatus& status) {
  if (status.state() == "done") return absl::OkStatus();
  std::string sentence = absl::StrCat("job ", status.job(), " is ", status.state());
  if (!status.message().empty()) absl::StrAppend(&sentence, ": ", status.message());
  if (status.state() == "paused" && !absl::StrContains(status.message(), "hilum job resume")) {
    absl::StrAppend(&sentence, "; `hilum job resume ", status.job(), "` goes on");
  }
  return absl::AbortedError(sentence);
}

}  // namespace

absl::Status Watch(JobClient& client, const WatchOptions& options) {
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  Viewer viewer(options.json);
  int tries = 0;
  while (true) {
    bool settled = false;
    const absl::Status ended =
        client.Watch(options.job, stop_requested, [&](const v1::JobStatus& status) {
          tries = 0;
          viewer.Show(status);
          settled = IsSettled(status);
          return !settled;
        });
    if (settled) return Outcome(viewer.last());
    if (stop_requested) {
      std::cerr << "stopped watching; the job goes on: `hilum job watch " << options.job
                << "` shows it again" << std::endl;
      return absl::OkStatus();
    }
    // Before the first status nobody waits: the address may be wrong.
    const bool was_there = !viewer.last().job().empty();
    const bool may_return = ended.ok() || absl::IsUnavailable(ended);
    if (!was_there || !may_return || ++tries > kReturnTries) {
      return ended.ok() ? absl::UnavailableError("the server ended the stream.") : ended;
    }
    if (tries == 1) std::cerr << "the server is away; waiting for it" << std::endl;
    Pause();
  }
}

}  // namespace hilum::cli
