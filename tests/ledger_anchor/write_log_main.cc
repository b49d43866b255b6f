// Writes a log with the sequencer, and proofs about it as JSON: what programs that we did not write
// check (xmod_oracle.go), and what hilum-ledger is tested with (ledger_cli_test.py).
//
// Usage: ledger_write_log FOLDER N_ENTRIES
#include <cstdio>
#include <cstdlib>

#include "base/status_macros.h"
#include "crypto/age.h"
#include "crypto/base64.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/store.h"
#include "nlohmann/json.hpp"
#include "tests/ledger_anchor/federation.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

Json Base64List(const HashList& hashes) {
  Json list = Json::array();
  for (const Digest& hash : hashes) list.push_back(crypto::Base64Encode(hash));
  return list;
}

// Every size up to 70 and a few larger ones: each leaf's path, and the growth from each older size.
Json Proofs(const Federation& federation) {
  TreeHashes tree;
  for (const std::string& text : federation.texts) tree.Add(crypto::LeafHash(AsBytes(text)));
  const auto root_at = [&tree](uint64_t size) {
    return crypto::TreeRoot(tree.level(0).first(size));
  };
  Json out = {{"inclusion", Json::array()}, {"consistency", Json::array()}};
  for (uint64_t size = 1; size <= tree.size(); size += size < 70 ? 1 : 67) {
    const std::string root = crypto::Base64Encode(root_at(size));
    for (uint64_t index = 0; index < size; index += 1 + index / 7) {
      out["inclusion"].push_back(
          {{"index", index},
           {"size", size},
           {"root", root},
           {"leaf", crypto::Base64Encode(tree.level(0)[index])},
           {"proof", Base64List(ProveInclusion(index, size, tree.reader()).value())}});
    }
    for (uint64_t old_size = 1; old_size <= size; old_size += 1 + old_size / 5) {
      out["consistency"].push_back(
          {{"old", old_size},
           {"size", size},
           {"old_root", crypto::Base64Encode(root_at(old_size))},
           {"root", root},
           {"proof", Base64List(ProveConsistency(old_size, size, tree.reader()).value())}});
    }
  }
  return out;
}

// The sealed copy of "model 1", for the identity in age.key.
absl::StatusOr<Digest> SealModelOfRoundOne(const fs::path& folder) {
  const crypto::AgeIdentity identity = crypto::AgeIdentity::Generate();
  HILUM_RETURN_IF_ERROR(identity.Save(folder / "age.key"));
  HILUM_ASSIGN_OR_RETURN(const Store store, Store::Open(folder / "sealed"));
  HILUM_ASSIGN_OR_RETURN(StoreWriter object, store.NewObject());
  const crypto::AgeRecipient recipient = identity.recipient();
  HILUM_ASSIGN_OR_RETURN(crypto::AgeWriter writer,
                         crypto::AgeWriter::Create({&recipient, 1}, [&object](ByteView bytes) {
                           return object.Append(bytes);
                         }));
  HILUM_RETURN_IF_ERROR(writer.Append(AsBytes("model 1")));
  HILUM_RETURN_IF_ERROR(writer.Finish());
  return object.Commit();
}

absl::Status WriteLog(const fs::path& folder, size_t n_entries) {
  Federation federation;
  HILUM_ASSIGN_OR_RETURN(federation.sealed, SealModelOfRoundOne(folder));
  federation.FillTo(n_entries);
  HILUM_ASSIGN_OR_RETURN(const auto log, Log::Create({folder / "ledger", Federation::kOrigin},
                                                     federation.LogKey(), federation.texts[0]));
  const std::span<const std::string> texts(federation.texts);
  for (size_t at = 1; at < texts.size(); at += 100) {
    HILUM_RETURN_IF_ERROR(log->Append(texts.subspan(at, std::min<size_t>(100, texts.size() - at))));
  }
  Json proofs = Proofs(federation);
  proofs["vkey"] = FormatVerifierKey(federation.LogVkey());
  proofs["entry_key"] = ToBase64(federation.ServerKey().public_key());
  proofs["tlog_proofs"] = Json::array();
  for (uint64_t i = 0; i < texts.size(); i += 97) {
    proofs["tlog_proofs"].push_back(log->Prove(i).value());
  }
  return WriteFileDurably(folder / "proofs.json", AsBytes(proofs.dump()));
}

}  // namespace
}  // namespace hilum::ledger_anchor

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: ledger_write_log FOLDER N_ENTRIES\n");
    return 2;
  }
  const hilum::fs::path folder = argv[1];
  std::error_code error;
  hilum::fs::remove_all(folder, error);
  hilum::fs::create_directories(folder);
  const absl::Status status =
      hilum::ledger_anchor::WriteLog(folder, static_cast<size_t>(std::atoi(argv[2])));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
