#include "client/pseudonym.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "crypto/mac.h"
#include "crypto/random.h"

namespace hilum::client {

absl::StatusOr<SiteSecret> MakeSiteSecret(const fs::path& path) {
  if (fs::exists(path)) {
    return absl::AlreadyExistsError(absl::StrCat("the pseudonym secret ", path.string(),
                                                 " exists already and is never overwritten."));
  }
  const SiteSecret secret{crypto::RandomArray<32>()};
  const std::string text = ToHex(secret.bytes) + "\n";
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(text), FileMode::kPrivate));
  return secret;
}

absl::StatusOr<SiteSecret> LoadSiteSecret(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  constexpr fs::perms kOthers = fs::perms::group_all | fs::perms::others_all;
  if (!error && fs::exists(status) && (status.permissions() & kOthers) != fs::perms::none) {
    return absl::PermissionDeniedError(absl::StrCat("others than its owner may use the secret ",
                                                    path.string(), "; set its mode to 0600."));
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, 1024));
  const absl::StatusOr<Digest> bytes =
      !text.empty() && text.back() == '\n'
          ? DigestFromHex(absl::string_view(text).substr(0, text.size() - 1))
          : absl::InvalidArgumentError("");
  if (!bytes.ok()) {
    return absl::DataLossError(absl::StrCat("the pseudonym secret ", path.string(),
                                            " is not 64 hexadecimal digits and a line end."));
  }
  SiteSecret secret;
  std::copy(bytes->begin(), bytes->end(), secret.bytes.begin());
  return secret;
}

std::string Pseudonym(const SiteSecret& secret, absl::string_view study, absl::string_view id) {
  Bytes message;
  AppendText(message, study);
  AppendU8(message, 0);
  AppendText(message, absl::StripAsciiWhitespace(id));
  return ToHex(crypto::HmacSha256(secret.bytes, message));
}

}  // namespace hilum::client
