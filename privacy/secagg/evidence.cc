#include "privacy/secagg/evidence.h"

#include <utility>

#include "base/status_macros.h"
#include "privacy/secagg/r0_messages.h"
#include "privacy/secagg/r1_messages.h"

namespace hilum::privacy::secagg {

absl::StatusOr<Evidence> ReadEvidence(ContextPtr context, const EvidenceBytes& bytes) {
  Evidence evidence;
  HILUM_ASSIGN_OR_RETURN(const KeyList list, DecodeKeyList(bytes.key_list));
  HILUM_ASSIGN_OR_RETURN(evidence.facts, AcceptKeyList(std::move(context), list));
  Facts& facts = evidence.facts;
  HILUM_ASSIGN_OR_RETURN(const U1 u1, DecodeU1(bytes.u1));
  HILUM_RETURN_IF_ERROR(AcceptU1(u1, facts));
  HILUM_ASSIGN_OR_RETURN(const U2 u2, DecodeU2(bytes.u2));
  HILUM_RETURN_IF_ERROR(AcceptU2(u2.members, u2.server_signature, facts));
  HILUM_ASSIGN_OR_RETURN(
      evidence.complaints,
      DecodeComplaints(bytes.complaints, PointsPerList(*facts.context, *facts.graph)));
  for (const UpheldComplaint& complaint : evidence.complaints) {
    HILUM_RETURN_IF_ERROR(CheckUpheld(facts, complaint));
  }
  HILUM_ASSIGN_OR_RETURN(evidence.transcript, DecodeTranscript(bytes.transcript));
  HILUM_ASSIGN_OR_RETURN(evidence.votes, DecodeVoteList(bytes.votes));
  HILUM_ASSIGN_OR_RETURN(evidence.opening, DecodeRoundOpening(bytes.opening));
  return evidence;
}

}  // namespace hilum::privacy::secagg
