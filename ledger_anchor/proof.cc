#include "ledger_anchor/proof.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

constexpr absl::string_view kHeader = "c2sp.org/tlog-proof@v1";

absl::Status Bad(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the tlog-proof ", why));
}

// Takes the next line, without its end.
absl::StatusOr<absl::string_view> TakeLine(absl::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == absl::string_view::npos) return Bad("ends within its head");
  const absl::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace

absl::StatusOr<TlogProof> ParseTlogProof(absl::string_view text) {
  if (text.size() > kProofLimitBytes) {
    return Bad(absl::StrCat("has ", text.size(), " bytes, the limit is ", kProofLimitBytes));
  }
  HILUM_RETURN_IF_ERROR(CheckText("the tlog-proof", text));
  HILUM_ASSIGN_OR_RETURN(absl::string_view line, TakeLine(text));
  if (line != kHeader) return Bad(absl::StrCat("does not start with ", kHeader));
  TlogProof proof;
  HILUM_ASSIGN_OR_RETURN(line, TakeLine(text));
  if (absl::ConsumePrefix(&line, "extra ")) {
    const absl::StatusOr<Bytes> extra = crypto::Base64Decode(line);
    if (!extra.ok() || extra->empty()) return Bad("has an extra line without strict base64");
    proof.extra = std::string(AsText(*extra));
    HILUM_ASSIGN_OR_RETURN(line, TakeLine(text));
  }
  if (!absl::ConsumePrefix(&line, "index ")) return Bad("has no index line");
  const absl::StatusOr<uint64_t> index = ParseDecimalInteger("the index", line);
  if (!index.ok()) return Bad(absl::StrCat("is malformed: ", index.status().message()));
  proof.index = *index;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(line, TakeLine(text));
    if (line.empty()) break;
    if (proof.hashes.size() == kProofHashLimit) {
      return Bad(absl::StrCat("has more than ", kProofHashLimit, " hashes"));
    }
    const std::optional<Digest> hash = ParseHash(line);
    if (!hash.has_value()) return Bad("has a line that is not the base64 of 32 bytes");
    proof.hashes.push_back(*hash);
  }
  if (text.empty()) return Bad("has no checkpoint");
  proof.checkpoint = std::string(text);
  return proof;
}

std::string FormatTlogProof(const TlogProof& proof) {
  std::string text = absl::StrCat(kHeader, "\n");
  if (!proof.extra.empty()) {
    absl::StrAppend(&text, "extra ", crypto::Base64Encode(AsBytes(proof.extra)), "\n");
  }
  absl::StrAppend(&text, "index ", proof.index, "\n");
  for (const Digest& hash : proof.hashes) {
    absl::StrAppend(&text, crypto::Base64Encode(hash), "\n");
  }
  absl::StrAppend(&text, "\n", proof.checkpoint);
  return text;
}

}  // namespace hilum::ledger_anchor
