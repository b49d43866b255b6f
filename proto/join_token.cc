#include "proto/join_token.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"

namespace hilum::proto {
namespace {

absl::Status CheckToken(const JoinToken& token) {
  HILUM_RETURN_IF_ERROR(CheckName("site", token.member));
  HILUM_RETURN_IF_ERROR(CheckName("aggregator", token.aggregator));
  if (token.role != "site") {
    return absl::InvalidArgumentError(
        absl::StrCat("join token: role is ", token.role, ", allowed is site"));
  }
  if (token.expires_s < 0) return absl::InvalidArgumentError("join token: expires before 1970");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeJoinToken(const JoinToken& token) {
  HILUM_RETURN_IF_ERROR(CheckToken(token));
  return Canonicalize({{"v", 1U},
                       {"site", token.member},
                       {"role", token.role},
                       {"secret", ToHex(token.secret)},
                       {"ca", token.ca},
                       {"expires", static_cast<uint64_t>(token.expires_s)},
                       {"aggregator", token.aggregator},
                       {"entry_key", token.entry_key},
                       {"origin", token.origin},
                       {"log_vkey", token.log_vkey}});
}

absl::StatusOr<JoinToken> ParseJoinToken(absl::string_view json) {
  const absl::StatusOr<nlohmann::json> parsed = ParseCanonical(json, kJoinTokenLimitBytes);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("join token: ", parsed.status().message()));
  }
  JsonFields fields(*parsed, "join token");
  fields.Integer("v", 1, 1);
  JoinToken token;
  token.member = fields.Text("site");
  token.role = fields.Text("role");
  const Digest secret = fields.Hash("secret");
  std::copy(secret.begin(), secret.end(), token.secret.begin());
  token.ca = fields.Text("ca");
  token.expires_s = static_cast<int64_t>(fields.Integer("expires", 0, kJsonIntegerLimit));
  token.aggregator = fields.Text("aggregator");
  token.entry_key = fields.Text("entry_key");
  token.origin = fields.Text("origin");
  token.log_vkey = fields.Text("log_vkey");
  HILUM_RETURN_IF_ERROR(fields.Finish());
  HILUM_RETURN_IF_ERROR(CheckToken(token));
  return token;
}

}  // namespace hilum::proto
