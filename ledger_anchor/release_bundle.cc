#include "ledger_anchor/release_bundle.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/dsse.h"
#include "crypto/hash.h"
#include "nlohmann/json.hpp"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

constexpr char kMediaType[] = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr char kPayloadType[] = "application/vnd.in-toto+json";
constexpr char kStatementType[] = "https://in-toto.io/Statement/v1";
constexpr char kPredicateType[] = "https://model_signing/signature/v1.0";
constexpr size_t kNameLimit = 64;
constexpr size_t kChunkBytes = 1 << 20;

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the release bundle ", what));
}

bool IsFileName(absl::string_view name) {
  return !name.empty() && name.size() <= kNameLimit && name.front() != '.' &&
         absl::c_all_of(name, [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ||
                  c == '-';
         });
}

absl::Status CheckFiles(absl::string_view name, const std::vector<ReleaseFile>& files) {
  if (!IsFileName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the release's name \"", name.substr(0, kNameLimit),
                     "\" is not 1 to 64 of A-Z, a-z, 0-9, ., _ and -"));
  }
  if (files.empty() || files.size() > kReleaseFileLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the release has ", files.size(), " files; 1 to ", kReleaseFileLimit, " are possible"));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[i].name;
    if (!IsFileName(file) || absl::c_linear_search(kUnsignedFiles, file)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the release's file \"", file.substr(0, kNameLimit), "\" cannot be signed"));
    }
    if (i > 0 && files[i - 1].name >= file) {
      return absl::InvalidArgumentError(
          absl::StrCat("the release's file ", file, " is doubled or out of order"));
    }
  }
  return absl::OkStatus();
}

// The in-toto statement, with keys in the order of their bytes and no white space.
std::string FormatStatement(absl::string_view name, const std::vector<ReleaseFile>& files) {
  Json ignored = Json::array();
  for (const absl::string_view file : kUnsignedFiles) ignored.push_back(std::string(file));
  Json resources = Json::array();
  for (const ReleaseFile& file : files) {
    resources.push_back(
        {{"algorithm", "sha256"}, {"digest", ToHex(file.sha256)}, {"name", file.name}});
  }
  const Json subject = {{"name", std::string(name)},
                        {"digest", {{"sha256", ToHex(FilesDigest(files))}}}};
  return Json{{"_type", kStatementType},
              {"subject", Json::array({subject})},
              {"predicateType", kPredicateType},
              {"predicate",
               {{"resources", resources},
                {"serialization",
                 {{"method", "files"},
                  {"hash_type", "sha256"},
                  {"allow_symlinks", false},
                  {"ignore_paths", ignored}}}}}}
      .dump();
}

std::string FormatBundle(const ReleaseBundle& bundle) {
  const Json signature = {{"keyid", ""}, {"sig", crypto::Base64Encode(bundle.signature)}};
  return Json{{"mediaType", kMediaType},
              {"verificationMaterial",
               {{"publicKey", {{"hint", ToHex(bundle.key_hint)}}}, {"tlogEntries", Json::array()}}},
              {"dsseEnvelope",
               {{"payload", crypto::Base64Encode(AsBytes(bundle.payload))},
                {"payloadType", kPayloadType},
                {"signatures", Json::array({signature})}}}}
             .dump() +
         "\n";
}

// The text at `path`; empty when there is none. Format and compare finds everything else.
std::string TextAt(const Json& json, const char* path) {
  const Json::json_pointer pointer(path);
  if (!json.contains(pointer) || !json.at(pointer).is_string()) return std::string();
  return json.at(pointer).get<std::string>();
}

Json ParseJson(absl::string_view text) {
  return Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

absl::Status ParseStatement(ReleaseBundle& bundle) {
  const Json statement = ParseJson(bundle.payload);
  bundle.name = TextAt(statement, "/subject/0/name");
  const Json::json_pointer resources("/predicate/resources");
  if (!statement.contains(resources) || !statement.at(resources).is_array()) {
    return Bad("holds no statement with resources");
  }
  for (const Json& resource : statement.at(resources)) {
    if (bundle.files.size() == kReleaseFileLimit) {
      return Bad(absl::StrCat("names more than ", kReleaseFileLimit, " files"));
    }
    const absl::StatusOr<Digest> digest = DigestFromHex(TextAt(resource, "/digest"));
    if (!digest.ok()) return Bad("names a file without a SHA-256");
    bundle.files.push_back({.name = TextAt(resource, "/name"), .sha256 = *digest});
  }
  if (const absl::Status good = CheckFiles(bundle.name, bundle.files); !good.ok()) {
    return Bad(absl::StrCat("is none: ", good.message()));
  }
  if (FormatStatement(bundle.name, bundle.files) == bundle.payload) return absl::OkStatus();
  return Bad("holds a statement that is not written as Hilum writes it");
}

absl::StatusOr<Digest> HashFile(const fs::path& path) {
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(path, error);
  if (error) return Bad(absl::StrCat("names ", path.filename().string(), ", which is missing"));
  crypto::Sha256Stream hash;
  Bytes buffer(kChunkBytes);
  for (uint64_t at = 0; at < size_bytes;) {
    const auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size_bytes - at));
    HILUM_RETURN_IF_ERROR(ReadFileAt(path, at, part));
    hash.Update(ByteView(part));
    at += part.size();
  }
  return hash.Finish();
}

}  // namespace

Digest FilesDigest(const std::vector<ReleaseFile>& files) {
  crypto::Sha256Stream hash;
  for (const ReleaseFile& file : files) hash.Update(ByteView(file.sha256));
  return hash.Finish();
}

absl::StatusOr<std::string> SignRelease(absl::string_view name, std::vector<ReleaseFile> files,
                                        absl::string_view key_pem) {
  absl::c_sort(files, [](const ReleaseFile& a, const ReleaseFile& b) { return a.name < b.name; });
  HILUM_RETURN_IF_ERROR(CheckFiles(name, files));
  ReleaseBundle bundle;
  bundle.payload = FormatStatement(name, files);
  HILUM_ASSIGN_OR_RETURN(const std::string public_pem, crypto::P256PublicPem(key_pem));
  bundle.key_hint = crypto::Sha256(public_pem);
  HILUM_ASSIGN_OR_RETURN(
      bundle.signature,
      crypto::SignP256(key_pem, crypto::DssePreAuthentication(kPayloadType, bundle.payload)));
  return FormatBundle(bundle);
}

absl::StatusOr<ReleaseBundle> ParseReleaseBundle(absl::string_view text) {
  if (text.size() > kBundleTextLimitBytes) {
    return Bad(absl::StrCat("has ", text.size(), " bytes, the limit is ", kBundleTextLimitBytes));
  }
  const Json json = ParseJson(text);
  const absl::StatusOr<Bytes> payload = crypto::Base64Decode(TextAt(json, "/dsseEnvelope/payload"));
  const absl::StatusOr<Bytes> signature =
      crypto::Base64Decode(TextAt(json, "/dsseEnvelope/signatures/0/sig"));
  const absl::StatusOr<Digest> hint =
      DigestFromHex(TextAt(json, "/verificationMaterial/publicKey/hint"));
  if (!payload.ok() || !signature.ok() || !hint.ok()) {
    return Bad("is no sigstore bundle with a public key and a DSSE envelope");
  }
  ReleaseBundle bundle;
  bundle.payload.assign(payload->begin(), payload->end());
  bundle.signature = *signature;
  bundle.key_hint = *hint;
  HILUM_RETURN_IF_ERROR(ParseStatement(bundle));
  if (FormatBundle(bundle) == text) return bundle;
  return Bad("is not written as Hilum writes it");
}

absl::Status VerifyReleaseBundle(const ReleaseBundle& bundle, absl::string_view public_pem) {
  if (bundle.key_hint != crypto::Sha256(public_pem)) {
    return Bad(absl::StrCat("is signed by the key with the hint ", ToHex(bundle.key_hint),
                            ", expected is ", ToHex(crypto::Sha256(public_pem))));
  }
  return crypto::VerifyP256(public_pem, crypto::DssePreAuthentication(kPayloadType, bundle.payload),
                            bundle.signature);
}

absl::Status CheckReleaseFolder(const ReleaseBundle& bundle, const std::filesystem::path& folder) {
  std::set<std::string> signed_names;
  for (const ReleaseFile& file : bundle.files) signed_names.insert(file.name);
  std::error_code error;
  fs::directory_iterator it(folder, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (fs::symlink_status(it->path(), ignored).type() != fs::file_type::regular) {
      return Bad(absl::StrCat("does not allow for ", name, ", which is not a regular file"));
    }
    if (!signed_names.contains(name) && !absl::c_linear_search(kUnsignedFiles, name)) {
      return Bad(absl::StrCat("does not name ", name, ", which lies in the folder"));
    }
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the folder ", folder.string(), ": ", error.message()));
  }
  for (const ReleaseFile& file : bundle.files) {
    HILUM_ASSIGN_OR_RETURN(const Digest found, HashFile(folder / file.name));
    if (found == file.sha256) continue;
    return Bad(absl::StrCat("says that ", file.name, " has the SHA-256 ", ToHex(file.sha256),
                            ", it has ", ToHex(found)));
  }
  return absl::OkStatus();
}

}  // namespace hilum::ledger_anchor
