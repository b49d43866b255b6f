#include "crypto/age.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_error.h"
#include "crypto/age_header.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "crypto/openssl_handles.h"
#include "crypto/random.h"

namespace hilum::crypto {
namespace {

constexpr size_t kTagBytes = 16;
constexpr size_t kNonceBytes = 12;
constexpr size_t kFileKeyBytes = 16;
constexpr size_t kPayloadNonceBytes = 16;
constexpr size_t kSealedChunkBytes = kAgeChunkBytes + kTagBytes;
constexpr absl::string_view kStanzaType = "X25519";

using FileKey = std::array<uint8_t, kFileKeyBytes>;
using Nonce = std::array<uint8_t, kNonceBytes>;

template <class T>
void Wipe(T& container) {
  sodium_memzero(container.data(), container.size());
}

// ChaCha20-Poly1305 (RFC 8439) under one key, without additional data.
class Aead {
 public:
  explicit Aead(ByteView key) : context_(EVP_CIPHER_CTX_new()) {
    HILUM_CHECK(context_ != nullptr && key.size() == 32 &&
                EVP_CipherInit_ex(context_.get(), EVP_chacha20_poly1305(), nullptr, key.data(),
                                  nullptr, 1) == 1);
  }

  // `out` becomes ciphertext || tag.
  void Seal(const Nonce& nonce, ByteView plain, Bytes& out) {
    out.resize(plain.size() + kTagBytes);
    HILUM_CHECK(Start(nonce, 1) && Run(plain, out.data()) &&
                EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                                    out.data() + plain.size()) == 1);
  }

  // False: the tag is not of these bytes; `out` is then empty.
  bool Open(const Nonce& nonce, ByteView sealed, Bytes& out) {
    out.clear();
    if (sealed.size() < kTagBytes) return false;
    const ByteView in = sealed.first(sealed.size() - kTagBytes);
    std::array<uint8_t, kTagBytes> tag;
    std::copy_n(sealed.end() - kTagBytes, kTagBytes, tag.begin());
    out.resize(in.size());
    if (Start(nonce, 0) &&
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
        Run(in, out.data())) {
      return true;
    }
    Wipe(out);  // what the cipher wrote before it saw the tag
    out.clear();
    return false;
  }

 private:
  bool Start(const Nonce& nonce, int seal) {
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), seal) == 1;
  }

  bool Run(ByteView in, uint8_t* out) {
    int n_written = 0;
    uint8_t nothing[1] = {};
    if (!in.empty() && EVP_CipherUpdate(context_.get(), out, &n_written, in.data(),
                                        static_cast<int>(in.size())) != 1) {
      return false;
    }
    return EVP_CipherFinal_ex(context_.get(), nothing, &n_written) == 1;
  }

  CipherPtr context_;  // wipes its key when it is freed
};

// The chunks of a payload: the nonce is an 11-byte counter and the flag of the last chunk.
class ChunkCipher {
 public:
  ChunkCipher(const FileKey& file_key, ByteView payload_nonce)
      : aead_(MakeAead(file_key, payload_nonce)) {}

  void Seal(ByteView chunk, bool last, Bytes& out) { aead_.Seal(Next(last), chunk, out); }
  bool Open(ByteView chunk, bool last, Bytes& out) { return aead_.Open(Next(last), chunk, out); }
  uint64_t n_chunks() const { return n_chunks_; }

 private:
  static Aead MakeAead(const FileKey& file_key, ByteView payload_nonce) {
    Bytes key = HkdfSha256(
        {.key_material = file_key, .salt = payload_nonce, .info = AsBytes("payload")}, 32);
    Aead aead(key);
    Wipe(key);
    return aead;
  }

  Nonce Next(bool last) {
    Nonce nonce{};
    for (int i = 0; i < 8; ++i) nonce[10 - i] = static_cast<uint8_t>(n_chunks_ >> 8 * i);
    nonce[11] = last ? 1 : 0;
    ++n_chunks_;  // 2^64 chunks are more than any disk holds
    return nonce;
  }

  Aead aead_;
  uint64_t n_chunks_ = 0;
};

Digest HeaderMac(const FileKey& file_key, absl::string_view covered) {
  Bytes key = HkdfSha256({.key_material = file_key, .salt = {}, .info = AsBytes("header")}, 32);
  const Digest mac = HmacSha256(key, AsBytes(covered));
  Wipe(key);
  return mac;
}

// The cipher that wraps the file key for one recipient.
Aead WrapCipher(const std::array<uint8_t, 32>& secret, const std::array<uint8_t, 32>& share,
                const AgeRecipient& recipient) {
  Bytes salt(share.begin(), share.end());
  AppendBytes(salt, recipient.bytes);
  Bytes key = HkdfSha256(
      {.key_material = secret, .salt = salt, .info = AsBytes("age-encryption.org/v1/X25519")}, 32);
  Aead aead(key);
  Wipe(key);
  return aead;
}

absl::StatusOr<AgeStanza> WrapFileKey(const FileKey& file_key, const AgeRecipient& recipient) {
  const AgeIdentity ephemeral = AgeIdentity::Generate();
  std::array<uint8_t, 32> secret;
  const absl::Status agreed = ephemeral.Agree(recipient.bytes, secret);
  if (!agreed.ok()) {
    Wipe(secret);
    return absl::InvalidArgumentError(
        absl::StrCat("cannot encrypt to ", FormatAgeRecipient(recipient), ": ", agreed.message()));
  }
  const std::array<uint8_t, 32>& share = ephemeral.recipient().bytes;
  AgeStanza stanza{.type = std::string(kStanzaType), .args = {Base64RawEncode(share)}, .body = {}};
  WrapCipher(secret, share, recipient).Seal(Nonce{}, file_key, stanza.body);
  Wipe(secret);
  return stanza;
}

// False: the stanza is of another recipient. DataLoss: it breaks the rules of its type.
absl::StatusOr<bool> UnwrapFileKey(const AgeIdentity& identity, const AgeStanza& stanza,
                                   FileKey& file_key) {
  if (stanza.type != kStanzaType) return false;
  std::array<uint8_t, 32> share;
  const absl::StatusOr<Bytes> bytes = stanza.args.size() == 1
                                          ? Base64RawDecode(stanza.args[0])
                                          : absl::StatusOr<Bytes>(absl::InvalidArgumentError(""));
  if (!bytes.ok() || bytes->size() != share.size()) {
    return absl::DataLossError(
        "an X25519 recipient of the age header is not one share of 32 bytes");
  }
  if (stanza.body.size() != kFileKeyBytes + kTagBytes) {
    return absl::DataLossError(absl::StrCat("an X25519 recipient of the age header has a body of ",
                                            stanza.body.size(), " bytes, not 32"));
  }
  std::copy(bytes->begin(), bytes->end(), share.begin());
  std::array<uint8_t, 32> secret;
  const absl::Status agreed = identity.Agree(share, secret);
  Bytes opened;
  bool good = false;
  if (agreed.ok()) {
    good = WrapCipher(secret, share, identity.recipient()).Open(Nonce{}, stanza.body, opened);
  }
  Wipe(secret);
  HILUM_RETURN_IF_ERROR(agreed);
  if (good) std::copy(opened.begin(), opened.end(), file_key.begin());
  Wipe(opened);
  return good;
}

// The file key, once the header's MAC holds under it.
absl::Status OpenHeader(const AgeIdentity& identity, absl::string_view text, FileKey& file_key) {
  HILUM_ASSIGN_OR_RETURN(const AgeHeader header, ParseAgeHeader(text));
  bool found = false;
  for (const AgeStanza& stanza : header.stanzas) {
    FileKey unwrapped{};
    HILUM_ASSIGN_OR_RETURN(const bool mine, UnwrapFileKey(identity, stanza, unwrapped));
    if (mine && !found) file_key = unwrapped;
    found = found || mine;
    Wipe(unwrapped);
  }
  if (!found) {
    return absl::PermissionDeniedError(
        absl::StrCat("the file is encrypted to ", header.stanzas.size(), " recipients, and ",
                     FormatAgeRecipient(identity.recipient()), " is none of them"));
  }
  const Digest mac = HeaderMac(file_key, FormatAgeStanzas(header.stanzas));
  if (ConstantTimeEqual(mac, header.mac)) return absl::OkStatus();
  return absl::DataLossError("the age header was changed: its MAC does not verify");
}

}  // namespace

uint64_t AgeSizeBytes(uint64_t n_bytes, size_t n_recipients) {
  constexpr uint64_t kStanzaBytes = 98;
  constexpr uint64_t kRestOfHeaderBytes = 70;
  const uint64_t n_chunks = std::max<uint64_t>(1, (n_bytes + kAgeChunkBytes - 1) / kAgeChunkBytes);
  return kRestOfHeaderBytes + kStanzaBytes * n_recipients + kPayloadNonceBytes + n_bytes +
         kTagBytes * n_chunks;
}

struct AgeWriter::Impl {
  Impl(ChunkCipher chunks, AgeSink to) : cipher(std::move(chunks)), sink(std::move(to)) {}
  ~Impl() { Wipe(chunk); }

  absl::Status Flush(bool last) {
    cipher.Seal(chunk, last, sealed);
    Wipe(chunk);
    chunk.clear();
    return sink(sealed);
  }

  ChunkCipher cipher;
  AgeSink sink;
  Bytes chunk;  // at most one, held back: only the end says whether it is the last
  Bytes sealed;
  bool finished = false;
};

AgeWriter::AgeWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AgeWriter::AgeWriter(AgeWriter&&) noexcept = default;
AgeWriter& AgeWriter::operator=(AgeWriter&&) noexcept = default;
AgeWriter::~AgeWriter() = default;

absl::StatusOr<AgeWriter> AgeWriter::Create(std::span<const AgeRecipient> recipients,
                                            AgeSink sink) {
  if (recipients.empty() || recipients.size() > kAgeRecipientLimit) {
    return absl::InvalidArgumentError(absl::StrCat("a file for ", recipients.size(),
                                                   " age recipients; 1 to ", kAgeRecipientLimit,
                                                   " are possible"));
  }
  FileKey file_key = RandomArray<kFileKeyBytes>();
  AgeHeader header;
  absl::Status status;
  for (const AgeRecipient& recipient : recipients) {
    absl::StatusOr<AgeStanza> stanza = WrapFileKey(file_key, recipient);
    status.Update(stanza.status());
    if (stanza.ok()) header.stanzas.push_back(*std::move(stanza));
  }
  header.mac = HeaderMac(file_key, FormatAgeStanzas(header.stanzas));
  const std::array<uint8_t, kPayloadNonceBytes> nonce = RandomArray<kPayloadNonceBytes>();
  auto impl = std::make_unique<Impl>(ChunkCipher(file_key, nonce), std::move(sink));
  Wipe(file_key);
  HILUM_RETURN_IF_ERROR(status);
  impl->chunk.reserve(kAgeChunkBytes);
  HILUM_RETURN_IF_ERROR(impl->sink(AsBytes(FormatAgeHeader(header))));
  HILUM_RETURN_IF_ERROR(impl->sink(nonce));
  return AgeWriter(std::move(impl));
}

absl::Status AgeWriter::Append(ByteView plaintext) {
  HILUM_CHECK(!impl_->finished);
  while (!plaintext.empty()) {
    if (impl_->chunk.size() == kAgeChunkBytes) HILUM_RETURN_IF_ERROR(impl_->Flush(false));
    const size_t n = std::min(plaintext.size(), kAgeChunkBytes - impl_->chunk.size());
    AppendBytes(impl_->chunk, plaintext.first(n));
    plaintext = plaintext.subspan(n);
  }
  return absl::OkStatus();
}

absl::Status AgeWriter::Finish() {
  HILUM_CHECK(!impl_->finished);
  impl_->finished = true;
  return impl_->Flush(/*last=*/true);
}

struct AgeReader::Impl {
  Impl(const AgeIdentity* key, AgeSink to) : identity(*key), sink(std::move(to)) {}
  ~Impl() {
    Wipe(file_key);
    Wipe(plain);
  }

  // Takes header bytes from `bytes` up to the end of the line that starts with "---".
  absl::Status TakeHeader(ByteView& bytes) {
    while (!bytes.empty()) {
      const auto end = std::find(bytes.begin(), bytes.end(), uint8_t{'\n'});
      const size_t n = static_cast<size_t>(end - bytes.begin()) + (end == bytes.end() ? 0 : 1);
      if (n > kAgeHeaderLimitBytes - buffer.size()) {
        return absl::DataLossError(absl::StrCat("the age header has more than ",
                                                kAgeHeaderLimitBytes, " bytes, the limit"));
      }
      AppendBytes(buffer, bytes.first(n));
      bytes = bytes.subspan(n);
      const absl::string_view line = AsText(buffer).substr(line_start);
      if (line.empty() || line.back() != '\n') return absl::OkStatus();
      line_start = buffer.size();
      if (line.substr(0, 3) != "---") continue;
      HILUM_RETURN_IF_ERROR(OpenHeader(identity, AsText(buffer), file_key));
      buffer.clear();
      has_header = true;
      return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  void TakeNonce(ByteView& bytes) {
    const size_t n = std::min(bytes.size(), kPayloadNonceBytes - buffer.size());
    AppendBytes(buffer, bytes.first(n));
    bytes = bytes.subspan(n);
    if (buffer.size() < kPayloadNonceBytes) return;
    cipher.emplace(file_key, buffer);
    Wipe(file_key);
    buffer.clear();
    buffer.reserve(kSealedChunkBytes);
  }

  // Holds one chunk back: only the end says whether it is the last.
  absl::Status TakeChunks(ByteView bytes) {
    while (!bytes.empty()) {
      if (buffer.size() == kSealedChunkBytes) HILUM_RETURN_IF_ERROR(OpenChunk(false));
      const size_t n = std::min(bytes.size(), kSealedChunkBytes - buffer.size());
      AppendBytes(buffer, bytes.first(n));
      bytes = bytes.subspan(n);
    }
    return absl::OkStatus();
  }

  absl::Status OpenChunk(bool last) {
    const uint64_t index = cipher->n_chunks();
    const bool good = cipher->Open(buffer, last, plain);
    buffer.clear();
    if (!good) {
      return absl::DataLossError(absl::StrCat(
          "chunk ", index, " of the age file ",
          last ? "is not its last: the file was cut or changed" : "was changed or moved"));
    }
    if (last && plain.empty() && index > 0) {
      return absl::DataLossError("the age file ends in an empty chunk after others");
    }
    return plain.empty() ? absl::OkStatus() : sink(plain);
  }

  absl::Status Take(ByteView bytes) {
    if (!has_header) HILUM_RETURN_IF_ERROR(TakeHeader(bytes));
    if (has_header && !cipher.has_value()) TakeNonce(bytes);
    return TakeChunks(bytes);
  }

  absl::Status End() {
    if (cipher.has_value()) return OpenChunk(/*last=*/true);
    return absl::DataLossError(
        absl::StrCat("the age file ends inside its ", has_header ? "nonce" : "header"));
  }

  const AgeIdentity& identity;
  AgeSink sink;
  Bytes buffer;  // what the next step needs: header, nonce or chunk
  size_t line_start = 0;
  bool has_header = false;
  FileKey file_key{};
  std::optional<ChunkCipher> cipher;
  Bytes plain;
  absl::Status status;
};

AgeReader::AgeReader(const AgeIdentity* identity, AgeSink sink)
    : impl_(std::make_unique<Impl>(identity, std::move(sink))) {}
AgeReader::AgeReader(AgeReader&&) noexcept = default;
AgeReader& AgeReader::operator=(AgeReader&&) noexcept = default;
AgeReader::~AgeReader() = default;

absl::Status AgeReader::Append(ByteView ciphertext) {
  if (impl_->status.ok()) impl_->status = impl_->Take(ciphertext);
  return impl_->status;
}

absl::Status AgeReader::Finish() {
  if (impl_->status.ok()) impl_->status = impl_->End();
  const absl::Status result = impl_->status;
  impl_->status.Update(absl::FailedPreconditionError("the age file was read to its end"));
  return result;
}

namespace {

// Reads `in` through `reader`, one chunk at a time.
absl::Status Pump(const fs::path& in, AgeReader& reader) {
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(in, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat("cannot read ", in.string(), ": ", error.message()));
  }
  Bytes buffer(kSealedChunkBytes);
  for (uint64_t at = 0; at < size_bytes;) {
    const auto part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), size_bytes - at));
    HILUM_RETURN_IF_ERROR(ReadFileAt(in, at, part));
    HILUM_RETURN_IF_ERROR(reader.Append(part));
    at += part.size();
  }
  return reader.Finish();
}

absl::Status DecryptTo(const AgeIdentity& identity, const fs::path& in, const fs::path& unfinished,
                       const fs::path& out, const std::optional<Digest>& expected) {
  HILUM_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(unfinished, 0, FileMode::kPrivate));
  Sha256Stream hash;
  AgeReader reader(&identity, [&](ByteView bytes) {
    hash.Update(bytes);
    return file.Append(bytes);
  });
  HILUM_RETURN_IF_ERROR(Pump(in, reader));
  const Digest found = hash.Finish();
  if (expected.has_value() && found != *expected) {
    return absl::DataLossError(absl::StrCat("what ", in.string(), " holds has the SHA-256 ",
                                            ToHex(found), ", expected is ", ToHex(*expected)));
  }
  HILUM_RETURN_IF_ERROR(file.Sync());
  std::error_code error;
  fs::rename(unfinished, out, error);
  if (error) {
    return SystemUnavailable(absl::StrCat("cannot write ", out.string(), ": ", error.message()));
  }
  return SyncFolder(out.has_parent_path() ? out.parent_path() : fs::path("."));
}

}  // namespace

absl::Status DecryptAgeFile(const AgeIdentity& identity, const fs::path& in, const fs::path& out,
                            const std::optional<Digest>& expected) {
  fs::path unfinished = out;
  unfinished += absl::StrCat(".", ToHex(RandomArray<8>()), ".unfinished");
  const absl::Status status = DecryptTo(identity, in, unfinished, out, expected);
  if (!status.ok()) {
    std::error_code error;
    fs::remove(unfinished, error);
  }
  return status;
}

}  // namespace hilum::crypto
