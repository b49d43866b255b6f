#include "privacy/secagg/facts.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/keys.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r3_messages.h"

namespace hilum::privacy::secagg {
namespace {

template <class... Parts>
absl::Status False(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat(parts...));
}

absl::Status CheckSize(const Context& context, absl::string_view what, size_t size) {
  if (size >= context.min_count()) return absl::OkStatus();
  return False(what, " has ", size, " members, the round needs ", context.min_count());
}

}  // namespace

Indices Facts::NeighboursInU2(uint16_t member) const {
  Indices neighbours;
  for (const uint16_t neighbour : graph->NeighboursOf(member)) {
    if (Holds(u2, neighbour)) neighbours.push_back(neighbour);
  }
  return neighbours;
}

absl::StatusOr<Facts> AcceptKeyList(ContextPtr context, const KeyList& list) {
  Facts facts{.context = std::move(context)};
  facts.list_hash = HashKeyList(list.entries);
  HILUM_RETURN_IF_ERROR(CheckSize(*facts.context, "the key list", list.entries.size()));
  HILUM_RETURN_IF_ERROR(facts.context->Verify(crypto::kLabelR0List, crypto::kServerSender,
                                              facts.list_hash, list.server_signature,
                                              "the key list"));
  std::set<crypto::AgreementKey> seen;
  for (const KeyListEntry& entry : list.entries) {
    const KeyAdvertisement& keys = entry.advertisement;
    HILUM_RETURN_IF_ERROR(facts.context->Verify(crypto::kLabelR0Key, entry.index,
                                                AdvertisementFields(keys), keys.signature,
                                                "an advertised key"));
    if (!seen.insert(keys.mask_key).second || !seen.insert(keys.channel_key).second) {
      return False("member ", entry.index, " advertises a key that is in the list already");
    }
    facts.keys.emplace(entry.index, keys);
  }
  return facts;
}

absl::Status AcceptU1(const U1& u1, Facts& facts) {
  const Context& context = *facts.context;
  Indices members;
  for (const U1Entry& entry : u1.entries) members.push_back(entry.index);
  Indices listed;
  for (const auto& [index, keys] : facts.keys) listed.push_back(index);
  if (members != listed) return False("U1 is not the members of the key list");
  for (const U1Entry& entry : u1.entries) {
    HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR0Reveal, entry.index,
                                         RevealFields(facts.list_hash, entry.r), entry.signature,
                                         "a reveal on this key list"));
    if (GraphCommitment(entry.r) != facts.keys.at(entry.index).graph_commit) {
      return False("the reveal of member ", entry.index, " does not open its commitment");
    }
  }
  HILUM_RETURN_IF_ERROR(CheckGraph(context, members.size(), u1.graph));
  const Digest seed = GraphSeed(facts.list_hash, u1.entries, context.config().ledger_head);
  const Digest u1_hash = HashU1(seed, u1.graph);
  HILUM_RETURN_IF_ERROR(
      context.Verify(crypto::kLabelU1, crypto::kServerSender, u1_hash, u1.server_signature, "U1"));
  facts.graph.emplace(std::move(members), u1.graph, seed);
  facts.u1_hash = u1_hash;
  return absl::OkStatus();
}

absl::Status AcceptU2(const Indices& members, const crypto::Signature& server_signature,
                      Facts& facts) {
  const Digest u2_hash = HashU2(facts.u1_hash, members);
  HILUM_RETURN_IF_ERROR(facts.context->Verify(crypto::kLabelU2, crypto::kServerSender, u2_hash,
                                              server_signature, "U2"));
  HILUM_RETURN_IF_ERROR(CheckSize(*facts.context, "U2", members.size()));
  for (const uint16_t member : members) {
    if (!Holds(facts.graph->members(), member)) {
      return False("U2 has member ", member, ", which is not of U1");
    }
  }
  facts.u2 = members;
  facts.u2_hash = u2_hash;
  return absl::OkStatus();
}

absl::Status CheckTranscript(const Facts& facts, const Transcript& transcript) {
  const Context& context = *facts.context;
  if (transcript.u1_hash != facts.u1_hash || transcript.u2_hash != facts.u2_hash) {
    return False("the transcript is of other sets U1 or U2");
  }
  if (transcript.model_hash != context.config().model_hash) {
    return False("the transcript is of another model than the configuration");
  }
  if (transcript.n_coords != context.config().n_coords()) {
    return False("the transcript is of ", transcript.n_coords,
                 " coordinates, the configuration of ", context.config().n_coords());
  }
  HILUM_RETURN_IF_ERROR(CheckSize(context, "the transcript", transcript.members.size()));
  for (const TranscriptMember& member : transcript.members) {
    if (!Holds(facts.u2, member.index)) {
      return False("the transcript has member ", member.index, ", which is not of U2");
    }
    const Bytes fields = UpdateMessage(
        {.u2_hash = facts.u2_hash, .root = member.root, .n_coords = transcript.n_coords});
    HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR2Root, member.index, fields,
                                         member.signature, "a root of the transcript"));
  }
  return CheckRuns(context, *facts.graph, MembersOf(transcript));
}

}  // namespace hilum::privacy::secagg
