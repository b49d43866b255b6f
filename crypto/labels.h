// The labels of secure_aggregation.md, section 2: what a hash, signature or tree is for.
#ifndef HILUM_CRYPTO_LABELS_H_
#define HILUM_CRYPTO_LABELS_H_

#include "absl/strings/string_view.h"

namespace hilum::crypto {

inline constexpr absl::string_view kLabelCfg = "hilum/sa/v1/cfg";
inline constexpr absl::string_view kLabelR0Key = "hilum/sa/v1/r0-key";
inline constexpr absl::string_view kLabelR0List = "hilum/sa/v1/r0-list";
inline constexpr absl::string_view kLabelR0Reveal = "hilum/sa/v1/r0-reveal";
inline constexpr absl::string_view kLabelGraphCommit = "hilum/sa/v1/graph-commit";
inline constexpr absl::string_view kLabelBCommit = "hilum/sa/v1/b-commit";
inline constexpr absl::string_view kLabelGraph = "hilum/sa/v1/graph";
inline constexpr absl::string_view kLabelU1 = "hilum/sa/v1/u1";
inline constexpr absl::string_view kLabelR1Share = "hilum/sa/v1/r1-share";
inline constexpr absl::string_view kLabelR1Ack = "hilum/sa/v1/r1-ack";
inline constexpr absl::string_view kLabelU2 = "hilum/sa/v1/u2";
inline constexpr absl::string_view kLabelR2Chunk = "hilum/sa/v1/r2-chunk";
inline constexpr absl::string_view kLabelR2Root = "hilum/sa/v1/r2-root";
inline constexpr absl::string_view kLabelTranscript = "hilum/sa/v1/transcript";
inline constexpr absl::string_view kLabelR3Vote = "hilum/sa/v1/r3-vote";
inline constexpr absl::string_view kLabelVotes = "hilum/sa/v1/votes";
inline constexpr absl::string_view kLabelRho = "hilum/sa/v1/rho";
inline constexpr absl::string_view kLabelR4Unmask = "hilum/sa/v1/r4-unmask";
inline constexpr absl::string_view kLabelTag = "hilum/sa/v1/tag";
inline constexpr absl::string_view kLabelSumChunk = "hilum/sa/v1/sum-chunk";
inline constexpr absl::string_view kLabelZChunk = "hilum/sa/v1/z-chunk";
inline constexpr absl::string_view kLabelModel = "hilum/sa/v1/model";

// Infos of the key table (HKDF-SHA-256): label, then the fields the table names.
inline constexpr absl::string_view kLabelMaskSk = "hilum/sa/v1/mask-sk";
inline constexpr absl::string_view kLabelChannel = "hilum/sa/v1/channel";
inline constexpr absl::string_view kLabelPairMask = "hilum/sa/v1/pair-mask";
inline constexpr absl::string_view kLabelSelfMask = "hilum/sa/v1/self-mask";
inline constexpr absl::string_view kLabelRng = "hilum/sa/v1/rng";

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_LABELS_H_
