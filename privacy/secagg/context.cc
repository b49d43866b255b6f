#include "privacy/secagg/context.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy::secagg {
namespace {

template <class... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckCohort(const RoundConfig& config) {
  const int n = static_cast<int>(config.roster.size());
  if (n < 3 || config.roster.size() > kMaxRoster) {
    return Invalid("a masked round lists ", n, " members; it has 3 to ", kMaxRoster);
  }
  if (config.quorum > n || config.u_min > n) {
    return Invalid("quorum ", config.quorum, " or u_min ", config.u_min, " is above the ", n,
                   " members");
  }
  if (2 * config.quorum - n <= config.c_max) {
    return Invalid("a quorum of ", config.quorum, " of ", n, " lets ", config.c_max,
                   " colluders vote for two transcripts");
  }
  if (config.u_min < config.c_max + 2) {
    return Invalid("u_min ", config.u_min, " leaves fewer than two honest members beside ",
                   config.c_max, " colluders");
  }
  std::set<crypto::PublicKey> keys;
  for (const RosterEntry& entry : config.roster) {
    if (!keys.insert(entry.key).second) {
      return Invalid("member ", entry.index, " has the key of another member");
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool Holds(const Indices& indices, uint16_t index) {
  return std::binary_search(indices.begin(), indices.end(), index);
}

Context::Context(Options options)
    : options_(std::move(options)),
      rid_(RidOf(options_.config, options_.attempt)),
      cfg_hash_(HashConfig(options_.config)) {}

absl::StatusOr<ContextPtr> Context::Create(Options options) {
  const RoundConfig& config = options.config;
  if (config.mode != RoundMode::kMaskedMean || config.suite == Suite::kNone) {
    return Invalid("mode ", static_cast<int>(config.mode), " with mask suite ",
                   static_cast<int>(config.suite), " is not the masked mean of one cohort");
  }
  if (options.attempt >= kMaxAttempts) {
    return Invalid("attempt ", options.attempt + 1, " of a round was asked for; there are ",
                   kMaxAttempts);
  }
  HILUM_RETURN_IF_ERROR(CheckCohort(config));
  return ContextPtr(new Context(std::move(options)));
}

uint16_t Context::min_count() const { return std::max(config().quorum, config().u_min); }

crypto::Signature Context::Sign(const crypto::SigningKey& key, absl::string_view label,
                                uint16_t sender, ByteView message) const {
  return crypto::SignLabelled(
      key,
      {.label = label, .rid = rid_, .sender = sender, .cfg_hash = cfg_hash_, .message = message});
}

absl::Status Context::Verify(absl::string_view label, uint16_t sender, ByteView message,
                             const crypto::Signature& signature, absl::string_view what) const {
  const bool is_server = sender == crypto::kServerSender;
  if (!is_server && sender >= n()) {
    return absl::DataLossError(
        absl::StrCat(what, " is of member ", sender, ", the roster has ", n()));
  }
  const crypto::PublicKey& key = is_server ? options_.server_key : config().roster[sender].key;
  if (crypto::VerifyLabelled(key,
                             {.label = label,
                              .rid = rid_,
                              .sender = sender,
                              .cfg_hash = cfg_hash_,
                              .message = message},
                             signature)
          .ok()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(is_server ? absl::StrCat(what, " is not signed by the server")
                                       : absl::StrCat(what, " is not signed by member ", sender));
}

Bytes Frame(const Context& context, uint16_t sender, ByteView body) {
  Bytes message;
  message.reserve(context.rid().size() + 2 + body.size());
  AppendBytes(message, context.rid());
  AppendU16(message, sender);
  AppendBytes(message, body);
  return message;
}

absl::StatusOr<Opened> OpenFrame(const Context& context, ByteView message) {
  Reader in(message);
  const crypto::Rid rid = in.Array<25>();
  const uint16_t sender = in.U16();
  if (in.ended_early()) return Invalid("a message of ", message.size(), " bytes has no frame");
  if (rid != context.rid()) {
    return absl::FailedPreconditionError("a message is of another round or attempt");
  }
  return Opened{.sender = sender, .body = in.View(in.n_left())};
}

absl::StatusOr<ByteView> OpenServerFrame(const Context& context, ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(context, message));
  if (opened.sender != crypto::kServerSender) {
    return absl::PermissionDeniedError(
        absl::StrCat("a message of the server names sender ", opened.sender));
  }
  return opened.body;
}

absl::Status CheckListCount(uint32_t count, const ListName& name) {
  if (count <= name.max) return absl::OkStatus();
  return Invalid(name.what, " lists ", count, " members, the limit is ", name.max);
}

absl::Status OutOfOrder(uint16_t index, uint16_t before, const ListName& name) {
  return Invalid(name.what, " lists member ", index, " after member ", before);
}

absl::Status ReadIndices(Reader& in, const ListName& name, Indices& out) {
  struct Element {
    uint16_t index;
  };
  std::vector<Element> elements;
  HILUM_RETURN_IF_ERROR(
      ReadList(in, name, elements, [](Reader& reader) { return Element{reader.U16()}; }));
  for (const Element& element : elements) out.push_back(element.index);
  return absl::OkStatus();
}

void AppendIndices(Bytes& out, const Indices& indices) {
  AppendU32(out, static_cast<uint32_t>(indices.size()));
  for (const uint16_t index : indices) AppendU16(out, index);
}

}  // namespace hilum::privacy::secagg
