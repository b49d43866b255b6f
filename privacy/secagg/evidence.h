// The evidence of a masked round as its round record keeps it, read and checked by somebody who
// need not have taken part: a site in mode A, an auditor (docs/secure_aggregation.md, sections 8
// and 9). VerifyMessages goes on from here.
#ifndef HILUM_PRIVACY_SECAGG_EVIDENCE_H_
#define HILUM_PRIVACY_SECAGG_EVIDENCE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "privacy/secagg/complaint.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/r3_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "privacy/transcript.h"

namespace hilum::privacy::secagg {

// Bodies of the server's messages, upheld complaints (EncodeComplaints), T and the opening.
struct EvidenceBytes {
  ByteView key_list, u1, u2, complaints, transcript, votes, opening;
};

struct Evidence {
  Facts facts;  // every signature in it verified
  std::vector<UpheldComplaint> complaints;
  Transcript transcript;  // not checked yet: VerifyMessages does
  VoteList votes;
  RoundOpening opening;
};

// Reads all, accepts what the flights fixed one after the other, and judges each complaint again.
// InvalidArgument: a part is malformed. DataLoss: a signature, set, bound or complaint is false.
absl::StatusOr<Evidence> ReadEvidence(ContextPtr context, const EvidenceBytes& bytes);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_EVIDENCE_H_
