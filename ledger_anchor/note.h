// Signed notes and their keys (C2SP signed-note v1.0.0; ledger.md 2.2 and 2.3).
#ifndef HILUM_LEDGER_ANCHOR_NOTE_H_
#define HILUM_LEDGER_ANCHOR_NOTE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kNoteLimitBytes = 512 << 10;
inline constexpr size_t kNoteLineLimit = 100;

enum class KeyType : uint8_t {
  kEd25519 = 0x01,
  kEcdsa = 0x02,
  kCosignature = 0x04,  // Ed25519 cosignature/v1
  kTreeHead = 0x05,
  kMlDsa44 = 0x06,
};

// A public key of a log or witness with its name. Types 0x01 and 0x04 can be verified here.
struct VerifierKey {
  std::string name;
  uint32_t id = 0;
  KeyType type = KeyType::kEd25519;
  Bytes key;
  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;
};

// H(name || 0x0A || type || key), its first four bytes.
uint32_t KeyId(absl::string_view name, KeyType type, ByteView key);
VerifierKey MakeVerifierKey(absl::string_view name, KeyType type, const crypto::PublicKey& key);

// name+hex8(id)+base64(type || key). InvalidArgument: any other form, an id that does not follow
// from name and key, an unknown type, a length that does not fit the type, an Ed25519 key that
// CheckPublicKey refuses.
absl::StatusOr<VerifierKey> ParseVerifierKey(absl::string_view vkey);
std::string FormatVerifierKey(const VerifierKey& key);

// Non-empty, valid UTF-8, no '+', no Unicode space, no control character. InvalidArgument
// otherwise.
absl::Status CheckKeyName(absl::string_view name);

struct SignatureLine {
  std::string name;
  uint32_t key_id = 0;
  Bytes signature;  // what follows the key id
};
std::string FormatSignatureLine(const SignatureLine& line);  // with its LF

struct Note {
  std::string text;  // ends in LF
  std::vector<SignatureLine> lines;
};

// DataLoss: more than `limit_bytes`, not UTF-8, a control character, no empty line before the
// signatures, no or more than kNoteLineLimit lines, a malformed line.
absl::StatusOr<Note> ParseNote(absl::string_view note, size_t limit_bytes = kNoteLimitBytes);
std::string FormatNote(const Note& note);

// The type 0x01 line of `key` over `text`.
SignatureLine SignNote(absl::string_view text, absl::string_view name,
                       const crypto::SigningKey& key);

struct VerifiedLine {
  size_t key = 0;       // index into `known`
  uint64_t time_s = 0;  // of a cosignature; 0 for type 0x01
};

// Lines of unknown (name, id) are ignored. DataLoss: a known key's line fails, comes twice, or no
// known key signed. The lines come back in the order of the note.
absl::StatusOr<std::vector<VerifiedLine>> VerifyNote(const Note& note,
                                                     std::span<const VerifierKey> known);

// Valid UTF-8 without control characters other than LF: what every text of this folder must be.
absl::Status CheckText(absl::string_view what, absl::string_view text);

// A decimal without sign or leading zero, at most 2^63-1. InvalidArgument otherwise.
absl::StatusOr<uint64_t> ParseDecimalInteger(absl::string_view what, absl::string_view text);

// A hash as roots and proofs have it. Absent: not the strict base64 of exactly 32 bytes.
std::optional<Digest> ParseHash(absl::string_view base64);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_NOTE_H_
