#include "crypto/age_keys.h"

#include <sodium.h>

#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "crypto/random.h"

namespace hilum::crypto {
namespace {

constexpr absl::string_view kRecipientPrefix = "age";
constexpr absl::string_view kIdentityPrefix = "age-secret-key-";
constexpr absl::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr size_t kKeyBytes = 32;
constexpr size_t kDataCharacters = 52;  // 256 bits in groups of 5, and 4 bits that are zero
constexpr size_t kChecksumCharacters = 6;
constexpr uint64_t kIdentityFileLimitBytes = 4096;

template <class T>
void Wipe(T& container) {
  sodium_memzero(container.data(), container.size());
}

// BIP 173: the checksum's polynomial over GF(32).
uint32_t PolynomialModulus(uint32_t sum, uint8_t value) {
  static constexpr uint32_t kGenerator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                            0x2a1462b3};
  const uint32_t top = sum >> 25;
  sum = (sum & 0x1ffffff) << 5 ^ value;
  for (int i = 0; i < 5; ++i) {
    if ((top >> i & 1) != 0) sum ^= kGenerator[i];
  }
  return sum;
}

uint32_t ChecksumOf(absl::string_view prefix, const std::array<uint8_t, kDataCharacters>& data) {
  uint32_t sum = 1;
  for (const char c : prefix) sum = PolynomialModulus(sum, static_cast<uint8_t>(c) >> 5);
  sum = PolynomialModulus(sum, 0);
  for (const char c : prefix) sum = PolynomialModulus(sum, static_cast<uint8_t>(c) & 31);
  for (const uint8_t value : data) sum = PolynomialModulus(sum, value);
  for (size_t i = 0; i < kChecksumCharacters; ++i) sum = PolynomialModulus(sum, 0);
  return sum ^ 1;
}

std::string EncodeKey(absl::string_view prefix, const std::array<uint8_t, kKeyBytes>& key) {
  std::array<uint8_t, kDataCharacters> data{};
  for (size_t bit = 0; bit < 8 * kKeyBytes; ++bit) {
    const uint8_t set = key[bit / 8] >> (7 - bit % 8) & 1;
    data[bit / 5] |= static_cast<uint8_t>(set << (4 - bit % 5));
  }
  std::string text = absl::StrCat(prefix, "1");
  text.reserve(text.size() + kDataCharacters + kChecksumCharacters);
  for (const uint8_t value : data) text += kAlphabet[value];
  const uint32_t sum = ChecksumOf(prefix, data);
  for (size_t i = 0; i < kChecksumCharacters; ++i) text += kAlphabet[sum >> 5 * (5 - i) & 31];
  Wipe(data);
  return text;
}

// False: another length, character or checksum, or bits beyond the key that are not zero.
bool DecodeKey(absl::string_view prefix, absl::string_view text,
               std::array<uint8_t, kKeyBytes>& key) {
  if (text.size() != prefix.size() + 1 + kDataCharacters + kChecksumCharacters ||
      text.substr(0, prefix.size()) != prefix || text[prefix.size()] != '1') {
    return false;
  }
  const absl::string_view characters = text.substr(prefix.size() + 1);
  std::array<uint8_t, kDataCharacters> data{};
  uint32_t sum = 0;
  bool good = true;
  for (size_t i = 0; i < characters.size(); ++i) {
    const size_t value = kAlphabet.find(characters[i]);
    good = good && value != absl::string_view::npos;
    if (i < data.size()) {
      data[i] = static_cast<uint8_t>(value & 31);
    } else {
      sum = sum << 5 | static_cast<uint32_t>(value & 31);
    }
  }
  good = good && sum == ChecksumOf(prefix, data) && (data.back() & 15) == 0;
  key.fill(0);
  for (size_t bit = 0; bit < 8 * kKeyBytes; ++bit) {
    const uint8_t set = data[bit / 5] >> (4 - bit % 5) & 1;
    key[bit / 8] |= static_cast<uint8_t>(set << (7 - bit % 8));
  }
  Wipe(data);
  return good;
}

std::string WithCase(absl::string_view text, char from, char to) {
  std::string out(text);
  for (char& c : out) {
    if (c >= from && c <= from + 25) c = static_cast<char>(c - from + to);
  }
  return out;
}

}  // namespace

std::string FormatAgeRecipient(const AgeRecipient& recipient) {
  return EncodeKey(kRecipientPrefix, recipient.bytes);
}

absl::StatusOr<AgeRecipient> ParseAgeRecipient(absl::string_view text) {
  AgeRecipient recipient;
  if (!DecodeKey(kRecipientPrefix, text, recipient.bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text.substr(0, 80),
                     "\" is no age recipient: age1 and 58 characters of bech32 are needed"));
  }
  std::array<uint8_t, 32> shared;
  const AgeIdentity probe = AgeIdentity::Generate();
  const absl::Status usable = probe.Agree(recipient.bytes, shared);
  Wipe(shared);
  if (usable.ok()) return recipient;
  return absl::InvalidArgumentError(absl::StrCat(
      "the age recipient ", text, " is a point of small order: it would hide nothing"));
}

AgeIdentity::AgeIdentity(const std::array<uint8_t, 32>& secret) : secret_(secret) {
  HILUM_CHECK(crypto_scalarmult_curve25519_base(recipient_.bytes.data(), secret_.data()) == 0);
}

AgeIdentity::AgeIdentity(AgeIdentity&& other) noexcept
    : secret_(other.secret_), recipient_(other.recipient_) {
  Wipe(other.secret_);
}

AgeIdentity& AgeIdentity::operator=(AgeIdentity&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    recipient_ = other.recipient_;
    Wipe(other.secret_);
  }
  return *this;
}

AgeIdentity::~AgeIdentity() { Wipe(secret_); }

AgeIdentity AgeIdentity::Generate() {
  std::array<uint8_t, 32> secret = RandomArray<32>();
  AgeIdentity identity(secret);
  Wipe(secret);
  return identity;
}

absl::StatusOr<AgeIdentity> AgeIdentity::Parse(absl::string_view text) {
  std::string lower = WithCase(text, 'A', 'a');
  std::array<uint8_t, 32> secret;
  const bool has_lower_case = WithCase(text, 'a', 'A') != text;
  const bool good = DecodeKey(kIdentityPrefix, lower, secret) && !has_lower_case;
  Wipe(lower);
  if (!good) {
    Wipe(secret);
    return absl::InvalidArgumentError(
        "the text is no age identity: AGE-SECRET-KEY-1 and 58 characters of bech32 are needed");
  }
  AgeIdentity identity(secret);
  Wipe(secret);
  return identity;
}

absl::StatusOr<AgeIdentity> AgeIdentity::Load(const std::filesystem::path& path) {
  HILUM_ASSIGN_OR_RETURN(std::string text, ReadTextFile(path, kIdentityFileLimitBytes));
  std::error_code error;
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  if ((fs::status(path, error).permissions() & others) != fs::perms::none || error) {
    Wipe(text);
    return absl::PermissionDeniedError(
        absl::StrCat("the age identity ", path.string(),
                     " can be read by others than its owner; set its mode to 0600"));
  }
  std::optional<AgeIdentity> found;
  bool good = true;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    absl::StatusOr<AgeIdentity> identity = Parse(line);
    good = good && identity.ok() && !found.has_value();
    if (good) found = *std::move(identity);
  }
  Wipe(text);
  if (good && found.has_value()) return *std::move(found);
  return absl::DataLossError(
      absl::StrCat(path.string(), " does not hold exactly one age identity"));
}

absl::Status AgeIdentity::Save(const std::filesystem::path& path) const {
  std::error_code error;
  if (fs::exists(path, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a key file ", path.string(), " already; it is never overwritten"));
  }
  std::string lower = EncodeKey(kIdentityPrefix, secret_);
  std::string key = WithCase(lower, 'a', 'A');
  std::string text =
      absl::StrCat("# public key: ", FormatAgeRecipient(recipient_), "\n", key, "\n");
  const absl::Status status = WriteFileDurably(path, AsBytes(text), FileMode::kPrivate);
  Wipe(lower);
  Wipe(key);
  Wipe(text);
  return status;
}

absl::Status AgeIdentity::Agree(const std::array<uint8_t, 32>& share,
                                std::array<uint8_t, 32>& secret) const {
  const bool agreed =
      crypto_scalarmult_curve25519(secret.data(), secret_.data(), share.data()) == 0;
  if (agreed && sodium_is_zero(secret.data(), secret.size()) == 0) return absl::OkStatus();
  return absl::DataLossError("an X25519 share is of small order: the secret would be all zero");
}

}  // namespace hilum::crypto
