#include "crypto/age_header.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "crypto/base64.h"

namespace hilum::crypto {
namespace {

constexpr size_t kColumns = 64;  // of a stanza's body
constexpr absl::string_view kStanzaStart = "-> ";
constexpr absl::string_view kEnd = "---";

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the age header ", what));
}

// Takes lines off the front of a text.
class Lines {
 public:
  explicit Lines(absl::string_view text) : rest_(text) {}

  absl::StatusOr<absl::string_view> Next() {
    const size_t end = rest_.find('\n');
    if (end == absl::string_view::npos) return Bad("ends inside a line");
    const absl::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  bool done() const { return rest_.empty(); }

 private:
  absl::string_view rest_;
};

bool IsWord(absl::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

absl::StatusOr<Bytes> ParseBody(Lines& lines) {
  std::string text;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(const absl::string_view line, lines.Next());
    if (line.size() > kColumns) return Bad("has a stanza line of more than 64 characters");
    absl::StrAppend(&text, line);
    if (line.size() < kColumns) break;
  }
  absl::StatusOr<Bytes> body = Base64RawDecode(text);
  if (!body.ok()) return Bad("has a stanza whose body is no base64 without padding");
  return body;
}

absl::StatusOr<AgeStanza> ParseStanza(absl::string_view line, Lines& lines) {
  if (!absl::StartsWith(line, kStanzaStart)) {
    return Bad("has a line that starts neither a recipient nor the end");
  }
  AgeStanza stanza;
  for (const absl::string_view word : absl::StrSplit(line.substr(kStanzaStart.size()), ' ')) {
    if (!IsWord(word)) return Bad("has a recipient with an empty or foreign argument");
    if (stanza.type.empty()) {
      stanza.type = std::string(word);
    } else {
      stanza.args.emplace_back(word);
    }
  }
  HILUM_ASSIGN_OR_RETURN(stanza.body, ParseBody(lines));
  return stanza;
}

absl::StatusOr<Digest> ParseMac(absl::string_view line) {
  const absl::StatusOr<Bytes> bytes = line.size() > kEnd.size() && line[kEnd.size()] == ' '
                                          ? Base64RawDecode(line.substr(kEnd.size() + 1))
                                          : absl::StatusOr<Bytes>(absl::InvalidArgumentError(""));
  Digest mac;
  if (!bytes.ok() || bytes->size() != mac.size()) {
    return Bad("does not end in \"--- \" and 32 bytes of base64 without padding");
  }
  std::copy(bytes->begin(), bytes->end(), mac.begin());
  return mac;
}

}  // namespace

std::string FormatAgeStanzas(const std::vector<AgeStanza>& stanzas) {
  std::string text(kAgeVersionLine);
  for (const AgeStanza& stanza : stanzas) {
    absl::StrAppend(&text, kStanzaStart, stanza.type);
    for (const std::string& arg : stanza.args) absl::StrAppend(&text, " ", arg);
    const std::string body = Base64RawEncode(stanza.body);
    text += '\n';
    // A body that fills its last line is followed by an empty one.
    for (size_t at = 0; at <= body.size(); at += kColumns) {
      absl::StrAppend(&text, absl::string_view(body).substr(at, kColumns), "\n");
    }
  }
  return text.append(kEnd.data(), kEnd.size());
}

std::string FormatAgeHeader(const AgeHeader& header) {
  return absl::StrCat(FormatAgeStanzas(header.stanzas), " ", Base64RawEncode(header.mac), "\n");
}

absl::StatusOr<AgeHeader> ParseAgeHeader(absl::string_view text) {
  if (text.size() > kAgeHeaderLimitBytes) {
    return Bad(absl::StrCat("has ", text.size(), " bytes, the limit is ", kAgeHeaderLimitBytes));
  }
  if (!absl::StartsWith(text, kAgeVersionLine)) return Bad("is not one of age version 1");
  Lines lines(text.substr(kAgeVersionLine.size()));
  AgeHeader header;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(const absl::string_view line, lines.Next());
    if (absl::StartsWith(line, kEnd)) {
      HILUM_ASSIGN_OR_RETURN(header.mac, ParseMac(line));
      break;
    }
    if (header.stanzas.size() == kAgeRecipientLimit) {
      return Bad(absl::StrCat("names more than ", kAgeRecipientLimit, " recipients"));
    }
    HILUM_ASSIGN_OR_RETURN(AgeStanza stanza, ParseStanza(line, lines));
    header.stanzas.push_back(std::move(stanza));
  }
  if (!lines.done()) return Bad("goes on after its end");
  if (header.stanzas.empty()) return Bad("names no recipient");
  return header;
}

}  // namespace hilum::crypto
