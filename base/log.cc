#include "base/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hilum {
namespace {

struct Sink {
  std::shared_ptr<spdlog::logger> logger;
  std::string program;
};

Sink& TheSink() {
  static Sink* sink = new Sink;  // never destroyed: threads may log until the end
  return *sink;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

absl::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

void AppendJsonString(std::string& out, absl::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      static constexpr char kDigits[] = "0123456789abcdef";
      absl::StrAppend(&out, "\\u00", std::string(1, kDigits[(c >> 4) & 15]),
                      std::string(1, kDigits[c & 15]));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

absl::Status OpenLog(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.standard_error) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (!options.file.empty()) {
    // spdlog throws where it cannot open; probing first keeps exceptions out.
    HILUM_RETURN_IF_ERROR(AppendFile::Open(options.file));
    sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
        options.file, options.file_limit_bytes, options.n_files));
  }
  auto logger = std::make_shared<spdlog::logger>("hilum", sinks.begin(), sinks.end());
  logger->set_pattern("%v");
  logger->set_level(ToSpdlog(options.level));
  logger->flush_on(spdlog::level::info);
  TheSink() = {.logger = std::move(logger), .program = options.program};
  return absl::OkStatus();
}

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  const Sink& sink = TheSink();
  if (!sink.logger || !sink.logger->should_log(ToSpdlog(level))) return;
  std::string line = absl::StrCat("{\"t\":\"", FormatUtc(SystemClock().NowSeconds()),
                                  "\",\"level\":\"", Name(level), "\",\"program\":");
  AppendJsonString(line, sink.program);
  line += ",\"event\":";
  AppendJsonString(line, event);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendJsonString(line, field.key);
    line.push_back(':');
    AppendJsonString(line, field.value);
  }
  line.push_back('}');
  sink.logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace hilum
