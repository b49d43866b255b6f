#include "privacy/secagg/server_r0.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/keys.h"

namespace hilum::privacy::secagg {

absl::StatusOr<Receipt> ServerAdvertising::Take(ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(*context_, message));
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(const KeyAdvertisement keys, DecodeKeyAdvertisement(opened.body));
  HILUM_RETURN_IF_ERROR(context_->Verify(crypto::kLabelR0Key, opened.sender,
                                         AdvertisementFields(keys), keys.signature,
                                         "a key advertisement"));
  // A repeated key would make every site abort, so it must not enter the list.
  for (const auto& [member, other] : advertisements_) {
    for (const AgreementKey& key : {other.mask_key, other.channel_key}) {
      if (key == keys.mask_key || key == keys.channel_key) {
        return absl::AlreadyExistsError(
            absl::StrCat("member ", opened.sender, " advertises a key of member ", member));
      }
    }
  }
  if (keys.mask_key == keys.channel_key) {
    return absl::AlreadyExistsError(
        absl::StrCat("member ", opened.sender, " advertises one key twice"));
  }
  inbox_.Put(opened.sender, message);
  advertisements_.emplace(opened.sender, keys);
  return receipt;
}

absl::StatusOr<Step<ServerRevealing>> ServerAdvertising::Close() && {
  if (advertisements_.size() < context_->min_count()) {
    return absl::UnavailableError(absl::StrCat(advertisements_.size(),
                                               " members advertised keys, the round needs ",
                                               context_->min_count()));
  }
  KeyList list;
  for (const auto& [member, keys] : advertisements_) list.entries.push_back({member, keys});
  Facts facts{.context = context_, .keys = advertisements_};
  facts.list_hash = HashKeyList(list.entries);
  list.server_signature = self_.Sign(*context_, crypto::kLabelR0List, facts.list_hash);
  Bytes message = Frame(*context_, crypto::kServerSender, Encode(list));
  return Step<ServerRevealing>{.next = ServerRevealing(self_, std::move(facts)),
                               .message = std::move(message)};
}

absl::StatusOr<Receipt> ServerRevealing::Take(ByteView message) {
  const Context& context = *facts_.context;
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(context, message));
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(const GraphReveal reveal, DecodeGraphReveal(opened.body));
  const auto keys = facts_.keys.find(opened.sender);
  if (keys == facts_.keys.end() || reveal.list_hash != facts_.list_hash) {
    return absl::DataLossError(
        absl::StrCat("member ", opened.sender, " reveals on another key list"));
  }
  HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR0Reveal, opened.sender,
                                       RevealFields(reveal.list_hash, reveal.r), reveal.signature,
                                       "a reveal"));
  if (GraphCommitment(reveal.r) != keys->second.graph_commit) {
    return absl::DataLossError(
        absl::StrCat("the reveal of member ", opened.sender, " does not open its commitment"));
  }
  inbox_.Put(opened.sender, message);
  reveals_.emplace(opened.sender, reveal);
  return receipt;
}

absl::StatusOr<Step<ServerSharing>> ServerRevealing::Close() && {
  const Context& context = *facts_.context;
  std::vector<uint16_t> missing;
  U1 u1;
  Indices members;
  for (const auto& [member, keys] : facts_.keys) {
    const auto reveal = reveals_.find(member);
    if (reveal == reveals_.end()) {
      missing.push_back(member);
      continue;
    }
    members.push_back(member);
    u1.entries.push_back(
        {.index = member, .r = reveal->second.r, .signature = reveal->second.signature});
  }
  if (!missing.empty()) {
    return absl::AbortedError(
        absl::StrCat("the attempt is void: no reveal of member ", absl::StrJoin(missing, ", ")));
  }
  HILUM_ASSIGN_OR_RETURN(u1.graph, ChooseGraph(context, members.size()));
  const Digest seed = GraphSeed(facts_.list_hash, u1.entries, context.config().ledger_head);
  facts_.u1_hash = HashU1(seed, u1.graph);
  facts_.graph.emplace(std::move(members), u1.graph, seed);
  u1.server_signature = self_.Sign(context, crypto::kLabelU1, facts_.u1_hash);
  Bytes message = Frame(context, crypto::kServerSender, Encode(u1));
  return Step<ServerSharing>{.next = ServerSharing(self_, std::move(facts_)),
                             .message = std::move(message)};
}

}  // namespace hilum::privacy::secagg
