#include "cli/ledger_anchors.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "ledger_anchor/anchor_folder.h"
#include "ledger_anchor/anchor_rfc3161.h"

namespace hilum::cli {
namespace {

namespace la = ledger_anchor;
using nlohmann::ordered_json;

constexpr char kEngine[] = "rfc3161";

struct Row {
  uint64_t size = 0;
  std::string root;  // hexadecimal; "": the note says none
  la::Vouched vouched;
  absl::Status status;
};

absl::StatusOr<la::TimeStampTrust> ReadTrust(const AnchorsFlags& flags, const la::Fetch& fetch) {
  la::TimeStampTrust trust{.ca_pem = "", .policy = flags.policy};
  if (!flags.ca.empty()) {
    HILUM_ASSIGN_OR_RETURN(trust.ca_pem, ReadTextFile(flags.ca, la::kAuthorityLimitBytes));
  } else {
    const absl::StatusOr<Bytes> copy = fetch("ca.pem", la::kAuthorityLimitBytes);
    if (absl::IsNotFound(copy.status())) {
      return absl::NotFoundError(
          "the receipts have no ca.pem beside them; name the authority's certificates with --ca");
    }
    HILUM_RETURN_IF_ERROR(copy.status());
    trust.ca_pem = std::string(AsText(*copy));
  }
  HILUM_RETURN_IF_ERROR(la::CheckTimeStampTrust(trust));
  return trust;
}

// What is wrong with the receipt is in the row; an error is of the other side.
absl::StatusOr<Row> CheckOne(const la::Fetch& fetch, uint64_t size, const LedgerSource& source,
                             const la::TimeStampTrust& trust) {
  HILUM_ASSIGN_OR_RETURN(const la::VerifierKey key,
                         la::ParseVerifierKey(GenesisOf(source.view).log_vkey));
  Row row{.size = size};
  const absl::StatusOr<la::StoredAnchor> stored = la::ReadAnchor(fetch, size, key);
  if (absl::IsUnavailable(stored.status())) return stored.status();
  row.status = stored.status();
  if (!stored.ok()) return row;
  const la::Checkpoint& checkpoint = stored->note.checkpoint;
  row.root = ToHex(checkpoint.root);
  absl::StatusOr<la::Vouched> vouched =
      la::VerifyTimeStamp(stored->note.note, stored->receipt, trust);
  row.status = vouched.status();
  if (vouched.ok()) row.vouched = *std::move(vouched);
  const absl::StatusOr<Digest> root = la::RootAt(source.view, size);
  if (!root.ok() || *root != checkpoint.root) {
    row.status = absl::DataLossError(absl::StrCat(
        "it is for a checkpoint of size ", size, " that the log's key signed and this log does ",
        "not have: the log was forked or cut, and the note is evidence"));
  }
  return row;
}

ordered_json RowJson(const Row& row) {
  ordered_json out = {{"engine", kEngine}, {"size", row.size}, {"verified", row.status.ok()}};
  if (!row.root.empty()) out["root"] = row.root;
  if (!row.vouched.authority.empty()) {
    out["time"] = FormatUtc(row.vouched.time_s);
    out["time_s"] = row.vouched.time_s;
    out["authority"] = row.vouched.authority;
    out["serial"] = row.vouched.serial;
  }
  if (!row.status.ok()) out["reason"] = row.status.message();
  return out;
}

void PrintRows(const std::vector<Row>& rows) {
  Table table({"size", "time", "authority", "root", "verified"});
  for (const Row& row : rows) {
    const bool vouched = !row.vouched.authority.empty();
    table.AddRow({absl::StrCat(row.size), vouched ? FormatUtc(row.vouched.time_s) : "-",
                  vouched ? row.vouched.authority : "-",
                  row.root.empty() ? "-" : row.root.substr(0, 16),
                  row.status.ok() ? "yes" : absl::StrCat("no: ", row.status.message())});
  }
  Print(table.ToString());
}

std::string TrustOfAuthority(const AnchorsFlags& flags) {
  return flags.ca.empty() ? "trust on first use: the certificates that the server keeps beside the "
                            "receipts; give --ca to pin the authority"
                          : "pinned";
}

la::Fetch ReceiptsOf(const la::LedgerPlace& place) {
  return [fetch = place.fetch_anchor](absl::string_view path, uint64_t limit) {
    return fetch(absl::StrCat(kEngine, "/", path), limit);
  };
}

}  // namespace

absl::StatusOr<size_t> CopyAnchors(const LedgerSource& source, const fs::path& out) {
  const la::Fetch fetch = ReceiptsOf(source.place);
  HILUM_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes, la::ReadAnchorList(fetch));
  if (sizes.empty()) return 0;
  HILUM_ASSIGN_OR_RETURN(const la::VerifierKey key,
                         la::ParseVerifierKey(GenesisOf(source.view).log_vkey));
  HILUM_ASSIGN_OR_RETURN(auto copies, la::AnchorFolder::Open(out / "anchors" / kEngine));
  for (const uint64_t size : sizes) {
    if (size > source.view.checkpoint.size) break;  // came after the log was read
    HILUM_ASSIGN_OR_RETURN(const la::StoredAnchor stored, la::ReadAnchor(fetch, size, key));
    HILUM_RETURN_IF_ERROR(copies.Put(stored.note, stored.receipt));
  }
  const absl::StatusOr<Bytes> authority = fetch("ca.pem", la::kAuthorityLimitBytes);
  if (absl::IsNotFound(authority.status())) return copies.sizes().size();
  HILUM_RETURN_IF_ERROR(authority.status());
  HILUM_RETURN_IF_ERROR(copies.PutAuthority(AsText(*authority)));
  return copies.sizes().size();
}

absl::Status RunAnchors(const AnchorsFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const la::LedgerPlace place, la::LocateLedger(flags.ledger.from));
  const la::Fetch fetch = ReceiptsOf(place);
  // The list before the log: what is anchored meanwhile is not missed in it.
  HILUM_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes, la::ReadAnchorList(fetch));
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  la::TimeStampTrust trust;
  if (!sizes.empty() || !flags.ca.empty()) {
    HILUM_ASSIGN_OR_RETURN(trust, ReadTrust(flags, fetch));
  }
  std::vector<Row> rows;
  uint64_t n_bad = 0;
  {
    Progress progress({.what = "Verifying receipts", .unit = "receipts", .total = sizes.size()});
    for (const uint64_t size : sizes) {
      HILUM_ASSIGN_OR_RETURN(Row row, CheckOne(fetch, size, source, trust));
      n_bad += row.status.ok() ? 0 : 1;
      rows.push_back(std::move(row));
      progress.Add();
    }
  }
  if (flags.ledger.json) {
    ordered_json out = {{"verified", n_bad == 0}};
    out.update(LedgerJson(source));
    out["authority_trust"] = TrustOfAuthority(flags);
    out["receipts"] = ordered_json::array();
    for (const Row& row : rows) out["receipts"].push_back(RowJson(row));
    PrintJson(out);
  } else if (rows.empty()) {
    Print(absl::StrCat(source.view.checkpoint.origin, " has no receipts of outside authorities\n"));
  } else {
    PrintRows(rows);
    Print(absl::StrCat("\n", rows.size() - n_bad, " of ", rows.size(), " receipts vouch for ",
                       source.view.checkpoint.origin, "; log: ", TrustOf(source.view),
                       "; authority: ", TrustOfAuthority(flags), "\n"));
  }
  if (n_bad == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(n_bad, " of ", rows.size(),
                                          " receipts do not vouch for this log; see the list"));
}

}  // namespace hilum::cli
