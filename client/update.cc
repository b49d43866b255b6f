#include "client/update.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/r2_messages.h"
#include "privacy/transcript.h"

namespace hilum::client {
namespace {

fs::path PathOf(const fs::path& outbox, const std::string& job, uint64_t round, uint32_t attempt) {
  return outbox / absl::StrCat(job, "-", round, "-", attempt, ".words");
}

std::string MaskingText(privacy::Suite suite) {
  switch (suite) {
    case privacy::Suite::kNone:
      return "none (open mode)";
    case privacy::Suite::kAes256Ctr:
      return "AES-256-CTR";
    case privacy::Suite::kChaCha20:
      return "ChaCha20";
  }
  return "unknown";
}

Bytes MessageOf(const privacy::RoundConfig& config, const Digest& root) {
  return privacy::UpdateMessage({.root = root, .n_coords = config.n_coords()});
}

crypto::LabelledFields FieldsOf(const privacy::RoundConfig& config, const UpdateFacts& facts,
                                ByteView message) {
  return {.label = crypto::kLabelR2Root,
          .rid = privacy::RidOf(config, static_cast<uint8_t>(facts.attempt)),
          .sender = facts.site_index,
          .cfg_hash = privacy::HashConfig(config),
          .message = message};
}

}  // namespace

Bytes SignedUpdate::Chunk(uint32_t index) const {
  const size_t first = size_t{index} * layout_.chunk_coords;
  return privacy::PackWords(words().subspan(first, layout_.CoordsOf(index)), layout_.ring_bits);
}

Digest SignedUpdate::Sha256() const {
  return crypto::Sha256(privacy::PackVector(words(), layout_));
}

absl::StatusOr<SignedUpdate> SignedUpdate::Of(privacy::secagg::Upload upload,
                                              const privacy::secagg::Context& context,
                                              const UpdateFacts& facts) {
  HILUM_ASSIGN_OR_RETURN(const privacy::secagg::Opened opened,
                         privacy::secagg::OpenFrame(context, upload.Close()));
  HILUM_ASSIGN_OR_RETURN(const privacy::secagg::MaskedInputClose close,
                         privacy::secagg::DecodeMaskedInputClose(opened.body));
  SignedUpdate update;
  update.facts_ = facts;
  update.cfg_hash_ = context.cfg_hash();
  update.layout_ = privacy::LayoutOf(context.config());
  update.masking_ = MaskingText(context.config().suite);
  update.root_ = close.fields.root;
  update.signature_ = close.signature;
  update.masked_ = std::move(upload);
  return update;
}

absl::StatusOr<SignedUpdate> SignUpdate(privacy::MaskedUpdate masked,
                                        const privacy::RoundConfig& config,
                                        const UpdateFacts& facts, const crypto::SigningKey& key) {
  if (masked.words().size() != config.n_coords()) {
    return absl::InvalidArgumentError(absl::StrCat("the update has ", masked.words().size(),
                                                   " words, the round's configuration wants ",
                                                   config.n_coords()));
  }
  if (facts.site_index >= config.roster.size() ||
      config.roster[facts.site_index].key != key.public_key()) {
    return absl::InvalidArgumentError(
        absl::StrCat("this site's key is not the roster's key at index ", facts.site_index));
  }
  SignedUpdate update;
  update.facts_ = facts;
  update.cfg_hash_ = privacy::HashConfig(config);
  update.words_.assign(masked.words().begin(), masked.words().end());
  update.layout_ = privacy::LayoutOf(config);
  update.masking_ = MaskingText(masked.suite());
  update.root_ = privacy::UpdateRoot(update.words_, update.layout_);
  const Bytes message = MessageOf(config, update.root_);
  update.signature_ = crypto::SignLabelled(key, FieldsOf(config, facts, message));
  return update;
}

absl::Status StoreUpdate(const fs::path& outbox, const SignedUpdate& update, RoundRecord& record) {
  const UpdateFacts& facts = update.facts();
  const Bytes packed = privacy::PackVector(update.words(), update.layout());
  HILUM_RETURN_IF_ERROR(MakeFolder(outbox));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(PathOf(outbox, facts.job, facts.round, facts.attempt),
                                         packed, FileMode::kPrivate));
  record.cfg_hash = update.cfg_hash();
  record.root = update.root();
  record.sha256 = crypto::Sha256(packed);
  record.signature.assign(update.signature().bytes.begin(), update.signature().bytes.end());
  record.site_index = facts.site_index;
  record.n_bytes = update.n_bytes();
  record.masking = update.masking();
  record.phase = "stored";
  return absl::OkStatus();
}

absl::Status StoreMasked(const fs::path& outbox, const privacy::secagg::PendingUpload& upload,
                         const privacy::RoundConfig& config, const UpdateFacts& facts,
                         RoundRecord& record) {
  HILUM_ASSIGN_OR_RETURN(const privacy::secagg::InputRecord input,
                         privacy::secagg::DecodeInputRecord(upload.record()));
  const Bytes packed = privacy::PackVector(upload.words(), privacy::LayoutOf(config));
  HILUM_RETURN_IF_ERROR(MakeFolder(outbox));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(PathOf(outbox, facts.job, facts.round, facts.attempt),
                                         packed, FileMode::kPrivate));
  record.cfg_hash = privacy::HashConfig(config);
  record.root = input.root;
  record.sha256 = crypto::Sha256(packed);
  record.site_index = facts.site_index;
  record.n_bytes = packed.size();
  record.masking = MaskingText(config.suite);
  record.phase = "stored";
  return absl::OkStatus();
}

absl::StatusOr<SignedUpdate> ReadUpdate(const fs::path& outbox, const RoundRecord& record,
                                        const privacy::RoundConfig& config,
                                        const UpdateFacts& facts, const crypto::PublicKey& key) {
  const absl::Status damaged =
      absl::DataLossError(absl::StrCat("the stored update of round ", facts.round, " of job ",
                                       facts.job, " does not match its record."));
  SignedUpdate update;
  update.facts_ = facts;
  update.cfg_hash_ = privacy::HashConfig(config);
  if (update.cfg_hash_ != record.cfg_hash || facts.site_index != record.site_index) return damaged;
  update.layout_ = privacy::LayoutOf(config);
  HILUM_ASSIGN_OR_RETURN(
      const Bytes bytes,
      ReadFile(PathOf(outbox, facts.job, facts.round, facts.attempt), update.layout_.size_bytes()));
  absl::StatusOr<std::vector<uint32_t>> words = privacy::UnpackVector(bytes, update.layout_);
  if (!words.ok()) return damaged;
  update.words_ = *std::move(words);
  update.masking_ = MaskingText(config.suite);
  update.root_ = privacy::UpdateRoot(update.words_, update.layout_);
  if (update.root_ != record.root) return damaged;
  HILUM_ASSIGN_OR_RETURN(update.signature_, crypto::SignatureFromBytes(record.signature));
  const Bytes message = MessageOf(config, update.root_);
  HILUM_RETURN_IF_ERROR(
      crypto::VerifyLabelled(key, FieldsOf(config, facts, message), update.signature_));
  return update;
}

void DiscardUpdate(const fs::path& outbox, const std::string& job, uint64_t round,
                   uint32_t attempt) {
  std::error_code ignored;
  fs::remove(PathOf(outbox, job, round, attempt), ignored);
}

}  // namespace hilum::client
