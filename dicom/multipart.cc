#include "dicom/multipart.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace hilum::dicom {
namespace {

constexpr size_t kBoundaryLimit = 70;
// Text before the first boundary, which no server of DICOMweb sends more than a line of.
constexpr size_t kPreambleLimitBytes = 1024;

bool IsBoundary(absl::string_view text) {
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("'()+_,-./:=? ").find(c) != absl::string_view::npos;
  };
  return !text.empty() && text.size() <= kBoundaryLimit && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), allowed);
}

// The value of a parameter; what stands between quotes may hold ';'.
absl::string_view ParameterOf(absl::string_view content_type, absl::string_view name) {
  while (true) {
    const size_t semicolon = content_type.find(';');
    if (semicolon == absl::string_view::npos) return "";
    content_type = absl::StripLeadingAsciiWhitespace(content_type.substr(semicolon + 1));
    const size_t equals = content_type.find('=');
    if (equals == absl::string_view::npos) return "";
    const absl::string_view key = absl::StripAsciiWhitespace(content_type.substr(0, equals));
    absl::string_view value = absl::StripLeadingAsciiWhitespace(content_type.substr(equals + 1));
    size_t end = 0;
    const bool quoted = absl::ConsumePrefix(&value, "\"");
    if (quoted) {
      end = value.find('"');
      if (end == absl::string_view::npos) return "";
    } else {
      end = std::min(value.find(';'), value.size());
    }
    if (absl::EqualsIgnoreCase(key, name)) {
      value = value.substr(0, end);
      return quoted ? value : absl::StripTrailingAsciiWhitespace(value);
    }
    content_type = value.substr(end);
  }
}

}  // namespace

absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type) {
  const absl::string_view boundary = ParameterOf(content_type, "boundary");
  const absl::string_view type =
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';')));
  if (absl::EqualsIgnoreCase(type, "multipart/related") && IsBoundary(boundary)) {
    return std::string(boundary);
  }
  return absl::InvalidArgumentError(
      "the answer's Content-Type is not multipart/related with a boundary of 1 to 70 characters");
}

MultipartParser::MultipartParser(absl::string_view boundary, Sink sink,
                                 const MultipartLimits& limits)
    : delimiter_(absl::StrCat("\r\n--", boundary)), sink_(std::move(sink)), limits_(limits) {}

absl::Status MultipartParser::Feed(absl::string_view bytes) {
  // In pieces, so that what is buffered stays small whatever comes at once.
  while (!bytes.empty()) {
    const absl::string_view piece = bytes.substr(0, limits_.head_bytes);
    bytes.remove_prefix(piece.size());
    if (state_ == State::kDone) return absl::OkStatus();  // an epilogue, which is ignored
    buffer_.append(piece.data(), piece.size());
    for (bool more = true; more;) HILUM_RETURN_IF_ERROR(Step(&more));
  }
  return absl::OkStatus();
}

absl::Status MultipartParser::Finish() const {
  if (state_ == State::kDone) return absl::OkStatus();
  return absl::DataLossError("the multipart answer ended before its closing boundary");
}

// Takes what it can from the buffer; *more: there may be more to take.
absl::Status MultipartParser::Step(bool* more) {
  *more = false;
  switch (state_) {
    case State::kStart: {
      const size_t found = buffer_.find(delimiter_);
      if (found == std::string::npos) {
        if (buffer_.size() <= kPreambleLimitBytes + limits_.head_bytes) return absl::OkStatus();
        return absl::InvalidArgumentError("the multipart answer does not begin with its boundary");
      }
      buffer_.erase(0, found + delimiter_.size());
      state_ = State::kAfterBoundary;
      *more = true;
      return absl::OkStatus();
    }
    case State::kAfterBoundary: {
      if (buffer_.size() < 2) return absl::OkStatus();
      state_ = absl::StartsWith(buffer_, "--") ? State::kDone : State::kHead;
      if (state_ == State::kDone) return absl::OkStatus();
      if (!absl::ascii_isspace(static_cast<unsigned char>(buffer_.front()))) {
        return absl::InvalidArgumentError("the multipart answer has text behind its boundary");
      }
      *more = true;
      return absl::OkStatus();
    }
    case State::kHead: {
      // The boundary's line, which may end with spaces; the part's head; an empty line.
      const size_t end = buffer_.find("\r\n\r\n");
      if (end == std::string::npos && buffer_.size() <= limits_.head_bytes) return absl::OkStatus();
      if (end == std::string::npos || end > limits_.head_bytes) {
        return absl::InvalidArgumentError(absl::StrCat(
            "a part of the multipart answer has no head within ", limits_.head_bytes, " bytes"));
      }
      HILUM_RETURN_IF_ERROR(BeginPart(absl::string_view(buffer_).substr(0, end)));
      buffer_.erase(0, end + 4);
      state_ = State::kBody;
      *more = true;
      return absl::OkStatus();
    }
    case State::kBody:
      return TakeBody(more);
    case State::kDone:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

// `head` begins with the rest of the boundary's line.
absl::Status MultipartParser::BeginPart(absl::string_view head) {
  if (++n_parts_ > limits_.parts) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the multipart answer has more than ", limits_.parts, " parts, the limit"));
  }
  absl::string_view content_type;
  for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts.first), "Content-Type")) {
      content_type = absl::StripAsciiWhitespace(parts.second);
    }
  }
  return sink_.on_part(content_type);
}

absl::Status MultipartParser::TakeBody(bool* more) {
  const size_t found = buffer_.find(delimiter_);
  if (found == std::string::npos) {
    // The end may be the beginning of a delimiter.
    const size_t n = buffer_.size() - std::min(buffer_.size(), delimiter_.size() - 1);
    if (n == 0) return absl::OkStatus();
    HILUM_RETURN_IF_ERROR(sink_.on_bytes(absl::string_view(buffer_).substr(0, n)));
    buffer_.erase(0, n);
    return absl::OkStatus();
  }
  if (found > 0) {
    HILUM_RETURN_IF_ERROR(sink_.on_bytes(absl::string_view(buffer_).substr(0, found)));
  }
  buffer_.erase(0, found + delimiter_.size());
  HILUM_RETURN_IF_ERROR(sink_.on_end());
  state_ = State::kAfterBoundary;
  *more = true;
  return absl::OkStatus();
}

}  // namespace hilum::dicom
