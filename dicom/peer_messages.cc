#include "dicom/peer_messages.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace hilum::dicom {
namespace {

using Kind = PeerEvent::Kind;

constexpr std::pair<Kind, absl::string_view> kWords[] = {
    {Kind::kReady, "ready"},   {Kind::kCaller, "caller"},   {Kind::kObject, "object"},
    {Kind::kStored, "stored"}, {Kind::kRefused, "refused"}, {Kind::kEnd, "end"}};

bool IsCode(absl::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) || c == '_';
  });
}

bool FitsEvent(Kind kind, absl::string_view text) {
  switch (kind) {
    case Kind::kReady:
    case Kind::kObject:
      return text.empty();
    case Kind::kCaller:
      return IsAeTitle(text);
    case Kind::kStored:
      return IsUid(text);
    case Kind::kRefused:
      return IsCode(text);
    case Kind::kEnd:
      return std::find(std::begin(kPeerEnds), std::end(kPeerEnds), text) != std::end(kPeerEnds);
  }
  return false;
}

}  // namespace

bool IsAeTitle(absl::string_view text) {
  return !text.empty() && text.size() <= kAeTitleLimit && text.front() != ' ' &&
         text.back() != ' ' && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == '.' || c == ' ';
         });
}

bool IsUid(absl::string_view text) {
  return !text.empty() && text.size() <= kUidLimit && text.front() != '.' && text.back() != '.' &&
         !absl::StrContains(text, "..") && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.';
         });
}

std::string EncodePeerTask(const PeerTask& task) {
  const bool echo = task.kind == PeerTask::Kind::kEcho;
  return absl::StrCat("task=", echo ? "echo" : "receive", "\nae_title=", task.ae_title,
                      "\ncallers=", absl::StrJoin(task.callers, ","),
                      "\nassociation_bytes=", task.association_bytes,
                      "\nobject_bytes=", task.object_bytes, "\nobjects=", task.objects,
                      "\nidle_s=", task.idle_s, "\nhost=", task.host, "\nport=", task.port,
                      "\ncalled=", task.called, "\ncertificate=", task.tls.certificate,
                      "\nkey=", task.tls.key, "\nauthorities=", task.tls.authorities);
}

absl::StatusOr<PeerTask> DecodePeerTask(absl::string_view text) {
  std::map<absl::string_view, absl::string_view> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    values.insert(parts);
  }
  PeerTask task;
  const absl::string_view kind = values["task"];
  task.kind = kind == "echo" ? PeerTask::Kind::kEcho : PeerTask::Kind::kReceive;
  task.ae_title = std::string(values["ae_title"]);
  task.callers = absl::StrSplit(values["callers"], ',', absl::SkipEmpty());
  task.host = std::string(values["host"]);
  task.called = std::string(values["called"]);
  task.tls = {.certificate = std::string(values["certificate"]),
              .key = std::string(values["key"]),
              .authorities = std::string(values["authorities"])};
  if ((kind != "echo" && kind != "receive") ||
      !absl::SimpleAtoi(values["association_bytes"], &task.association_bytes) ||
      !absl::SimpleAtoi(values["object_bytes"], &task.object_bytes) ||
      !absl::SimpleAtoi(values["objects"], &task.objects) ||
      !absl::SimpleAtoi(values["idle_s"], &task.idle_s) ||
      !absl::SimpleAtoi(values["port"], &task.port)) {
    return absl::InvalidArgumentError("the task is not one of this release");
  }
  return task;
}

std::string EncodePeerEvent(const PeerEvent& event) {
  for (const auto& [kind, word] : kWords) {
    if (kind != event.kind) continue;
    return event.text.empty() ? std::string(word) : absl::StrCat(word, " ", event.text);
  }
  return "";
}

absl::StatusOr<PeerEvent> DecodePeerEvent(absl::string_view text) {
  const size_t space = text.find(' ');
  const absl::string_view word = text.substr(0, space);
  const absl::string_view rest =
      space == absl::string_view::npos ? absl::string_view() : text.substr(space + 1);
  for (const auto& [kind, name] : kWords) {
    if (name == word && FitsEvent(kind, rest)) return PeerEvent{kind, std::string(rest)};
  }
  return absl::InvalidArgumentError("the process that speaks with the peer says nonsense");
}

}  // namespace hilum::dicom
