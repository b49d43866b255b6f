#include "ledger_anchor/policy.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kLogLimit = 32;
constexpr size_t kWitnessLimit = 512;
constexpr size_t kGroupLimit = 64;

using Items = std::vector<absl::string_view>;

// Reads the lines of one file into a Policy.
class Parser {
 public:
  absl::StatusOr<Policy> Parse(absl::string_view text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      ++line_number_;
      const Items items = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (items.empty() || items[0][0] == '#') continue;
      HILUM_RETURN_IF_ERROR(TakeLine(items));
    }
    if (!has_quorum_) return Bad("there is no quorum line");
    return std::move(policy_);
  }

 private:
  absl::Status Bad(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat("policy, line ", line_number_, ": ", why));
  }

  absl::Status TakeLine(const Items& items) {
    if (items[0] == "log") return TakeLog(items);
    if (items[0] == "witness") return TakeWitness(items);
    if (items[0] == "group") return TakeGroup(items);
    if (items[0] == "quorum") return TakeQuorum(items);
    return Bad(
        absl::StrCat("\"", items[0].substr(0, 64), "\" is none of log, witness, group and quorum"));
  }

  absl::StatusOr<VerifierKey> TakeKey(absl::string_view vkey, KeyType type) {
    absl::StatusOr<VerifierKey> key = ParseVerifierKey(vkey);
    if (!key.ok()) return Bad(key.status().message());
    if (key->type != type) {
      return Bad(
          absl::StrCat("the key of ", key->name, " has a type that is not fit for its role"));
    }
    if (!keys_.insert(std::string(AsText(key->key))).second) {
      return Bad(absl::StrCat("the public key of ", key->name, " stands in another line too"));
    }
    return key;
  }

  // Names are octet strings; those that mean something in a quorum or group line are refused.
  absl::Status DefineName(absl::string_view name) {
    if (name == "all" || name == "any" || name == "none") {
      return Bad(absl::StrCat("the name \"", name, "\" is a keyword"));
    }
    if (!names_.emplace(name, policy_.members.size()).second) {
      return Bad(absl::StrCat("the name \"", name, "\" is defined twice"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeLog(const Items& items) {
    if (items.size() < 2 || items.size() > 3) return Bad("log takes a key and perhaps a URL");
    if (policy_.logs.size() == kLogLimit) return Bad("more than 32 logs");
    HILUM_ASSIGN_OR_RETURN(VerifierKey key, TakeKey(items[1], KeyType::kEd25519));
    policy_.logs.push_back({std::move(key), std::string(items.size() == 3 ? items[2] : "")});
    return absl::OkStatus();
  }

  absl::Status TakeWitness(const Items& items) {
    if (items.size() < 3 || items.size() > 4) {
      return Bad("witness takes a name, a key and perhaps a URL");
    }
    if (++n_witnesses_ > kWitnessLimit) return Bad("more than 512 witnesses");
    HILUM_RETURN_IF_ERROR(DefineName(items[1]));
    PolicyMember member;
    member.name = std::string(items[1]);
    HILUM_ASSIGN_OR_RETURN(member.key, TakeKey(items[2], KeyType::kCosignature));
    member.url = std::string(items.size() == 4 ? items[3] : "");
    policy_.members.push_back(std::move(member));
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> TakeThreshold(absl::string_view text, uint64_t n_members) const {
    if (text == "all") return n_members;
    if (text == "any") return uint64_t{1};
    const absl::StatusOr<uint64_t> k = ParseDecimalInteger("a threshold", text);
    if (!k.ok() || *k < 1 || *k > n_members) {
      return Bad(absl::StrCat("the threshold \"", text.substr(0, 32), "\" is not all, any or 1 to ",
                              n_members));
    }
    return *k;
  }

  absl::Status TakeGroup(const Items& items) {
    if (items.size() < 4) return Bad("group takes a name, a threshold and members");
    if (++n_groups_ > kGroupLimit) return Bad("more than 64 groups");
    PolicyMember group;
    group.name = std::string(items[1]);
    HILUM_ASSIGN_OR_RETURN(group.threshold, TakeThreshold(items[2], items.size() - 3));
    for (size_t i = 3; i < items.size(); ++i) {
      const auto member = names_.find(std::string(items[i]));
      if (member == names_.end()) {
        return Bad(absl::StrCat("\"", items[i].substr(0, 64), "\" is not defined above"));
      }
      if (!grouped_.insert(member->second).second) {
        return Bad(absl::StrCat("\"", items[i], "\" is a member of a group twice"));
      }
      group.members.push_back(member->second);
    }
    HILUM_RETURN_IF_ERROR(DefineName(items[1]));
    policy_.members.push_back(std::move(group));
    return absl::OkStatus();
  }

  absl::Status TakeQuorum(const Items& items) {
    if (items.size() != 2) return Bad("quorum takes one name, or none");
    if (has_quorum_) return Bad("there is a second quorum line");
    has_quorum_ = true;
    if (items[1] == "none") return absl::OkStatus();
    const auto member = names_.find(std::string(items[1]));
    if (member == names_.end()) {
      return Bad(absl::StrCat("\"", items[1].substr(0, 64), "\" is not defined above"));
    }
    policy_.quorum = member->second;
    return absl::OkStatus();
  }

  Policy policy_;
  int line_number_ = 0;
  size_t n_witnesses_ = 0;
  size_t n_groups_ = 0;
  bool has_quorum_ = false;
  std::map<std::string, size_t> names_;
  std::set<size_t> grouped_;
  std::set<std::string> keys_;
};

// Which witnesses signed, and when.
struct Cosigned {
  size_t member = 0;
  uint64_t time_s = 0;
};

bool Holds(const Policy& policy, const std::set<size_t>& signed_by) {
  if (!policy.quorum) return true;
  std::vector<bool> met(policy.members.size());
  for (size_t i = 0; i < policy.members.size(); ++i) {
    const PolicyMember& member = policy.members[i];
    const auto n_met = std::count_if(member.members.begin(), member.members.end(),
                                     [&](size_t m) { return met[m]; });
    met[i] = member.key ? signed_by.count(i) > 0 : static_cast<uint64_t>(n_met) >= member.threshold;
  }
  return met[*policy.quorum];
}

bool IsFresh(uint64_t time_s, const QuorumOptions& options) {
  if (time_s > options.now_s) return time_s - options.now_s <= options.max_ahead_s;
  return options.now_s - time_s <= options.max_age_s;
}

absl::StatusOr<const PolicyLog*> FindLog(const Policy& policy, absl::string_view origin) {
  for (const PolicyLog& log : policy.logs) {
    if (log.key.name == origin) return &log;
  }
  return absl::DataLossError(absl::StrCat("the checkpoint is of the log \"", origin,
                                          "\", which the policy does not name"));
}

// All cosignatures of the policy's witnesses; one that fails refuses the note.
absl::StatusOr<std::vector<Cosigned>> FindCosignatures(const Policy& policy, const Note& note,
                                                       const VerifierKey& log) {
  std::vector<VerifierKey> known = {log};
  std::vector<size_t> member_of_key = {0};
  for (size_t i = 0; i < policy.members.size(); ++i) {
    if (!policy.members[i].key) continue;
    known.push_back(*policy.members[i].key);
    member_of_key.push_back(i);
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<VerifiedLine> lines, VerifyNote(note, known));
  std::vector<Cosigned> cosigned;
  for (const VerifiedLine& line : lines) {
    if (line.key != 0) cosigned.push_back({member_of_key[line.key], line.time_s});
  }
  return cosigned;
}

}  // namespace

absl::StatusOr<Policy> ParsePolicy(absl::string_view text) {
  if (text.size() > kPolicyLimitBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the policy has ", text.size(), " bytes, the limit is ", kPolicyLimitBytes));
  }
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F) {
      return absl::InvalidArgumentError(
          absl::StrCat("the policy holds the byte ", int{byte}, ", a control character"));
    }
  }
  return Parser().Parse(text);
}

std::string MakePolicyWithoutWitnesses(const VerifierKey& log) {
  return absl::StrCat("log ", FormatVerifierKey(log), "\nquorum none\n");
}

uint64_t SmallestQuorum(uint64_t n, uint64_t faults) {
  // floor((n + faults) / 2) + 1 without a sum that could wrap.
  return n / 2 + faults / 2 + (n % 2 + faults % 2) / 2 + 1;
}

absl::StatusOr<std::string> MakePolicy(const VerifierKey& log,
                                       const std::vector<VerifierKey>& witnesses, uint64_t quorum) {
  const size_t n = witnesses.size();
  if (quorum < 1 || quorum > n) {
    return absl::InvalidArgumentError(
        absl::StrCat("a quorum of ", quorum, " of ", n, " witnesses is impossible"));
  }
  std::string text = absl::StrCat("log ", FormatVerifierKey(log), "\n");
  std::string names;
  for (const VerifierKey& witness : witnesses) {
    const std::string name =
        absl::StrCat("witness-", witness.name.substr(witness.name.rfind('/') + 1));
    absl::StrAppend(&text, "witness ", name, " ", FormatVerifierKey(witness), "\n");
    absl::StrAppend(&names, " ", name);
  }
  absl::StrAppend(&text, "group witnesses ", quorum, names, "\nquorum witnesses\n");
  HILUM_RETURN_IF_ERROR(ParsePolicy(text));
  return text;
}

absl::StatusOr<PolicyResult> CheckPolicy(const Policy& policy, absl::string_view note,
                                         const QuorumOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Note parsed, ParseNote(note));
  HILUM_ASSIGN_OR_RETURN(const Checkpoint unproven, ParseCheckpointText(parsed.text));
  HILUM_ASSIGN_OR_RETURN(const PolicyLog* log, FindLog(policy, unproven.origin));
  PolicyResult result;
  HILUM_ASSIGN_OR_RETURN(result.opened, OpenCheckpoint(note, log->key));
  HILUM_ASSIGN_OR_RETURN(const std::vector<Cosigned> cosigned,
                         FindCosignatures(policy, result.opened.note, log->key));
  std::set<size_t> all;
  std::set<size_t> fresh;
  for (const Cosigned& one : cosigned) {
    all.insert(one.member);
    if (!IsFresh(one.time_s, options)) continue;
    fresh.insert(one.member);
    result.witnesses.push_back(policy.members[one.member].name);
  }
  result.quorum_none = !policy.quorum.has_value();
  if (Holds(policy, fresh)) return result;
  if (Holds(policy, all)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the checkpoint of size ", result.opened.checkpoint.size,
                     " has a quorum, but only ", fresh.size(), " of its ", all.size(),
                     " cosignatures are from the last ", options.max_age_s, " s"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("the checkpoint of size ", result.opened.checkpoint.size, " has ", all.size(),
                   " cosignatures of known witnesses, which is not the policy's quorum \"",
                   policy.members[*policy.quorum].name, "\""));
}

absl::StatusOr<FlatQuorum> FlatQuorumOf(const Policy& policy) {
  const PolicyMember& quorum = policy.members[*policy.quorum];
  if (quorum.key) return FlatQuorum{};
  for (const size_t member : quorum.members) {
    if (!policy.members[member].key) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the quorum \"", quorum.name, "\" nests the group \"", policy.members[member].name,
          "\"; only a flat k-of-n quorum can be vouched for"));
    }
  }
  return FlatQuorum{.n = quorum.members.size(), .q = quorum.threshold};
}

uint64_t FaultsCovered(const FlatQuorum& flat) {
  return 2 * flat.q > flat.n ? 2 * flat.q - flat.n - 1 : 0;
}

absl::Status CheckFaults(const Policy& policy, uint64_t faults) {
  if (!policy.quorum) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const FlatQuorum flat, FlatQuorumOf(policy));
  // q and n are numbers of lines of a file, so nothing wraps.
  if (2 * flat.q > flat.n && faults <= FaultsCovered(flat)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("a quorum of ", flat.q, " of ", flat.n, " witnesses does not cover ", faults,
                   " dishonest ones; at least ", SmallestQuorum(flat.n, faults), " must sign"));
}

}  // namespace hilum::ledger_anchor
