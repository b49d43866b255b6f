// Signed notes and verifier keys from peers: what parses is written back byte for byte.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/note.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<Note> note = ParseNote(text);
  if (note.ok()) {
    HILUM_CHECK(FormatNote(*note) == text);
    HILUM_CHECK(note->lines.size() <= kNoteLineLimit);
    const VerifierKey known = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                              crypto::SigningKey::FromSeed({1}).public_key());
    (void)VerifyNote(*note, std::span(&known, 1));
  }
  const absl::StatusOr<VerifierKey> key = ParseVerifierKey(text);
  if (key.ok()) HILUM_CHECK(FormatVerifierKey(*key) == text);
  return 0;
}
