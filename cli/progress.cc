#include "cli/progress.h"

#include <algorithm>
#include <iostream>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

constexpr int kBarColumns = 24;
constexpr int64_t kRedrawMs = 200;        // on a terminal
constexpr int64_t kLineMs = 10'000;       // elsewhere
constexpr double kRateFromSeconds = 0.5;  // a rate over less is noise

std::string Count(const ProgressOptions& options, double count) {
  if (options.unit == "B") return FormatBytes(count);
  return absl::StrFormat("%.0f", count);
}

std::string Rate(const ProgressOptions& options, double per_second) {
  if (options.unit == "B") return absl::StrCat(FormatBytes(per_second), "/s");
  return absl::StrFormat(per_second < 9.95 ? "%.1f/s" : "%.0f/s", per_second);
}

}  // namespace

std::string FormatProgress(const ProgressOptions& options, uint64_t done, double seconds) {
  const std::string unit = options.unit == "B" ? "" : absl::StrCat(" ", options.unit);
  std::string text = absl::StrCat(options.what, " ");
  if (options.total > 0) {
    const double part = std::min(1.0, static_cast<double>(done) / options.total);
    const int filled = static_cast<int>(part * kBarColumns);
    absl::StrAppendFormat(&text, " %3d %% [%s%s] %s of %s%s", static_cast<int>(part * 100.0),
                          std::string(filled, '#'), std::string(kBarColumns - filled, '.'),
                          Count(options, done), Count(options, options.total), unit);
  } else {
    absl::StrAppend(&text, " ", Count(options, done), unit);
  }
  if (seconds < kRateFromSeconds || done == 0) return text;
  const double per_second = done / seconds;
  absl::StrAppend(&text, ", ", Rate(options, per_second));
  if (options.total > done) {
    absl::StrAppend(&text, ", ", FormatSeconds((options.total - done) / per_second), " left");
  }
  return text;
}

struct Progress::Impl {
  ProgressOptions options;
  const Clock& clock;
  const bool terminal = IsTerminal(StandardStream::kError);
  const int64_t start_ms = clock.MonotonicMs();
  std::mutex mutex{};
  uint64_t done = 0;      // guarded by mutex
  int64_t shown_ms = 0;   // guarded by mutex
  bool bar_open = false;  // guarded by mutex

  // Holds mutex. Draws when it is time to, or always when `last`.
  void Show(bool last) {
    const int64_t now_ms = clock.MonotonicMs();
    const int64_t wait_ms = terminal ? kRedrawMs : kLineMs;
    if (!options.on || (!last && now_ms - shown_ms < wait_ms)) return;
    shown_ms = now_ms;
    std::string text = FormatProgress(options, done, (now_ms - start_ms) / 1000.0);
    if (!terminal) {
      std::cerr << text << std::endl;
      return;
    }
    const size_t columns = static_cast<size_t>(TerminalColumns(StandardStream::kError)) - 1;
    if (text.size() > columns) text.resize(columns);
    std::cerr << "\r\x1b[K" << text << std::flush;
    bar_open = true;
  }
};

Progress::Progress(ProgressOptions options, const Clock& clock)
    : impl_(new Impl{.options = std::move(options), .clock = clock}) {
  impl_->shown_ms = impl_->start_ms;
}

Progress::~Progress() {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->bar_open) return;
  impl_->Show(/*last=*/true);
  std::cerr << std::endl;
}

void Progress::Add(uint64_t count) {
  const std::lock_guard lock(impl_->mutex);
  impl_->done += count;
  impl_->Show(/*last=*/false);
}

void Progress::Set(uint64_t done) {
  const std::lock_guard lock(impl_->mutex);
  impl_->done = done;
  impl_->Show(/*last=*/false);
}

}  // namespace hilum::cli
