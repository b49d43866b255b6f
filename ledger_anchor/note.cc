#include "ledger_anchor/note.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "ledger_anchor/cosign.h"
#include "proto/canonical_json.h"

namespace hilum::ledger_anchor {
namespace {

constexpr absl::string_view kLineStart = "\xE2\x80\x94 ";  // em dash, space
constexpr size_t kKeyNameLimitBytes = 255;
constexpr size_t kVkeyLimitBytes = 4096;
constexpr size_t kMlDsa44KeyBytes = 1312;

// The white space characters of Unicode beyond ASCII, in UTF-8.
constexpr absl::string_view kWideSpaces[] = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
    "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
    "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
    "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

uint32_t ReadU32(ByteView bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

std::string IdHex(uint32_t id) {
  Bytes bytes;
  AppendU32(bytes, id);
  return ToHex(bytes);
}

// The public key length of a type; 0: a type that no vkey of ours may have.
size_t KeyBytes(KeyType type) {
  switch (type) {
    case KeyType::kEd25519:
    case KeyType::kCosignature:
      return 32;
    case KeyType::kMlDsa44:
      return kMlDsa44KeyBytes;
    default:
      return 0;
  }
}

absl::Status BadVkey(absl::string_view vkey, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the verifier key \"", vkey.substr(0, 100), "\" ", why));
}

absl::Status BadNote(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the signed note ", why));
}

absl::StatusOr<SignatureLine> ParseLine(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kLineStart)) {
    return BadNote("has a signature line that does not start with an em dash and a space");
  }
  const size_t space = line.find(' ');
  if (space == absl::string_view::npos) return BadNote("has a signature line of one field");
  SignatureLine parsed;
  parsed.name = std::string(line.substr(0, space));
  if (!CheckKeyName(parsed.name).ok()) return BadNote("has a signature line with a bad key name");
  const absl::StatusOr<Bytes> bytes = crypto::Base64Decode(line.substr(space + 1));
  if (!bytes.ok() || bytes->size() < 5) {
    return BadNote("has a signature line without the base64 of a key id and a signature");
  }
  parsed.key_id = ReadU32(*bytes);
  parsed.signature.assign(bytes->begin() + 4, bytes->end());
  return parsed;
}

absl::StatusOr<VerifiedLine> VerifyLine(const Note& note, const SignatureLine& line,
                                        const VerifierKey& key) {
  if (key.type == KeyType::kCosignature) {
    HILUM_ASSIGN_OR_RETURN(const uint64_t time_s, VerifyCosignature(note.text, line, key));
    return VerifiedLine{.key = 0, .time_s = time_s};
  }
  const absl::StatusOr<crypto::PublicKey> public_key = crypto::PublicKeyFromBytes(key.key);
  const absl::StatusOr<crypto::Signature> signature = crypto::SignatureFromBytes(line.signature);
  if (key.type != KeyType::kEd25519 || !public_key.ok() || !signature.ok() ||
      !crypto::Verify(*public_key, note.text, *signature).ok()) {
    return BadNote(
        absl::StrCat("has a signature of ", key.name, "+", IdHex(key.id), " that does not verify"));
  }
  return VerifiedLine{};
}

}  // namespace

absl::StatusOr<uint64_t> ParseDecimalInteger(absl::string_view what, absl::string_view text) {
  const absl::Status refused = absl::InvalidArgumentError(
      absl::StrCat(what, " \"", text.substr(0, 32), "\" is not a decimal of at most 2^63-1"));
  if (text.empty() || text.size() > 19 || (text.size() > 1 && text[0] == '0')) return refused;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return refused;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (value > (uint64_t{1} << 63) - 1) return refused;
  return value;
}

absl::Status CheckText(absl::string_view what, absl::string_view text) {
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n';
  });
  if (!has_control && proto::IsUtf8(text)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(what, " is not UTF-8 text, or has a control character other than a line end"));
}

absl::Status CheckKeyName(absl::string_view name) {
  bool good = !name.empty() && name.size() <= kKeyNameLimitBytes && proto::IsUtf8(name);
  for (const char c : name) good = good && static_cast<unsigned char>(c) > 0x20 && c != '+';
  for (const absl::string_view space : kWideSpaces) {
    good = good && name.find(space) == absl::string_view::npos;
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the key name \"", name.substr(0, 64), "\" is not 1 to ", kKeyNameLimitBytes,
                   " bytes of UTF-8 without spaces, '+' and control characters"));
}

uint32_t KeyId(absl::string_view name, KeyType type, ByteView key) {
  const uint8_t separator[] = {0x0A, static_cast<uint8_t>(type)};
  crypto::Sha256Stream stream;
  stream.Update(name);
  stream.Update(ByteView(separator));
  stream.Update(key);
  return ReadU32(stream.Finish());
}

VerifierKey MakeVerifierKey(absl::string_view name, KeyType type, const crypto::PublicKey& key) {
  return {.name = std::string(name),
          .id = KeyId(name, type, key.bytes),
          .type = type,
          .key = Bytes(key.bytes.begin(), key.bytes.end())};
}

absl::StatusOr<VerifierKey> ParseVerifierKey(absl::string_view vkey) {
  if (vkey.size() > kVkeyLimitBytes) return BadVkey(vkey, "is longer than 4,096 bytes");
  // base64 may hold '+', so only the first two separate.
  const size_t first = vkey.find('+');
  const size_t second = first == absl::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == absl::string_view::npos) return BadVkey(vkey, "is not name+id+key");
  VerifierKey key;
  key.name = std::string(vkey.substr(0, first));
  HILUM_RETURN_IF_ERROR(CheckKeyName(key.name));
  const absl::StatusOr<Bytes> id = FromHex(vkey.substr(first + 1, second - first - 1));
  if (!id.ok() || id->size() != 4) return BadVkey(vkey, "has no id of 8 lowercase hex digits");
  key.id = ReadU32(*id);
  const absl::StatusOr<Bytes> bytes = crypto::Base64Decode(vkey.substr(second + 1));
  if (!bytes.ok() || bytes->empty()) return BadVkey(vkey, "holds no strict base64");
  key.type = static_cast<KeyType>((*bytes)[0]);
  key.key.assign(bytes->begin() + 1, bytes->end());
  if (KeyBytes(key.type) == 0) return BadVkey(vkey, "has a type other than 0x01, 0x04 and 0x06");
  if (key.key.size() != KeyBytes(key.type)) return BadVkey(vkey, "has a key of another length");
  if (key.id != KeyId(key.name, key.type, key.key)) {
    return BadVkey(vkey, "has an id that does not follow from its name and key");
  }
  if (key.type != KeyType::kMlDsa44) {
    HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey point, crypto::PublicKeyFromBytes(key.key));
    HILUM_RETURN_IF_ERROR(crypto::CheckPublicKey(point));
  }
  return key;
}

std::string FormatVerifierKey(const VerifierKey& key) {
  Bytes bytes;
  AppendU8(bytes, static_cast<uint8_t>(key.type));
  AppendBytes(bytes, key.key);
  return absl::StrCat(key.name, "+", IdHex(key.id), "+", crypto::Base64Encode(bytes));
}

std::string FormatSignatureLine(const SignatureLine& line) {
  Bytes bytes;
  AppendU32(bytes, line.key_id);
  AppendBytes(bytes, line.signature);
  return absl::StrCat(kLineStart, line.name, " ", crypto::Base64Encode(bytes), "\n");
}

absl::StatusOr<Note> ParseNote(absl::string_view note, size_t limit_bytes) {
  if (note.size() > limit_bytes) {
    return BadNote(absl::StrCat("has ", note.size(), " bytes, the limit is ", limit_bytes));
  }
  HILUM_RETURN_IF_ERROR(CheckText("the signed note", note));
  const size_t gap = note.rfind("\n\n");
  if (gap == absl::string_view::npos) return BadNote("has no empty line before its signatures");
  Note parsed;
  parsed.text = std::string(note.substr(0, gap + 1));
  absl::string_view rest = note.substr(gap + 2);
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == absl::string_view::npos) return BadNote("does not end in a line end");
    if (parsed.lines.size() == kNoteLineLimit) {
      return BadNote(absl::StrCat("has more than ", kNoteLineLimit, " signature lines"));
    }
    HILUM_ASSIGN_OR_RETURN(SignatureLine line, ParseLine(rest.substr(0, end)));
    parsed.lines.push_back(std::move(line));
    rest.remove_prefix(end + 1);
  }
  if (parsed.lines.empty()) return BadNote("has no signature line");
  return parsed;
}

std::string FormatNote(const Note& note) {
  std::string text = note.text + "\n";
  for (const SignatureLine& line : note.lines) text += FormatSignatureLine(line);
  return text;
}

SignatureLine SignNote(absl::string_view text, absl::string_view name,
                       const crypto::SigningKey& key) {
  const crypto::Signature signature = key.Sign(text);
  return {.name = std::string(name),
          .key_id = KeyId(name, KeyType::kEd25519, key.public_key().bytes),
          .signature = Bytes(signature.bytes.begin(), signature.bytes.end())};
}

absl::StatusOr<std::vector<VerifiedLine>> VerifyNote(const Note& note,
                                                     std::span<const VerifierKey> known) {
  std::vector<VerifiedLine> verified;
  std::set<size_t> seen;
  for (const SignatureLine& line : note.lines) {
    const auto key = std::find_if(known.begin(), known.end(), [&](const VerifierKey& candidate) {
      return candidate.name == line.name && candidate.id == line.key_id;
    });
    if (key == known.end()) continue;
    const auto index = static_cast<size_t>(key - known.begin());
    if (!seen.insert(index).second) {
      return BadNote(absl::StrCat("has two signatures of ", key->name));
    }
    HILUM_ASSIGN_OR_RETURN(VerifiedLine result, VerifyLine(note, line, *key));
    result.key = index;
    verified.push_back(result);
  }
  if (verified.empty()) return BadNote("has no signature of a known key");
  return verified;
}

std::optional<Digest> ParseHash(absl::string_view base64) {
  const absl::StatusOr<Bytes> bytes = crypto::Base64Decode(base64);
  Digest hash{};
  if (!bytes.ok() || bytes->size() != hash.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

}  // namespace hilum::ledger_anchor
