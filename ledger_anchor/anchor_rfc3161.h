// Time stamps of RFC 3161: an authority (TSA) signs that a checkpoint existed at a time. Anyone
// verifies a receipt with `openssl ts -verify` (docs/ledger.md, section 7).
#ifndef HILUM_LEDGER_ANCHOR_ANCHOR_RFC3161_H_
#define HILUM_LEDGER_ANCHOR_ANCHOR_RFC3161_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "ledger_anchor/anchor.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kTimeStampLimitBytes = 64 << 10;
inline constexpr size_t kAuthorityLimitBytes = 1 << 20;  // of a file of certificates
// How far the authority's clock may stand from ours when it gives a receipt.
inline constexpr int64_t kAnchorSkewS = 300;

// The authority's certificates, and what a receipt must say.
struct TimeStampTrust {
  std::string ca_pem;  // root certificates, PEM; what the receipt lacks of the chain may stand here
  std::string policy;  // the TSA's policy, an OID in digits and dots; "": any
};

// What a receipt says about itself: nothing is verified yet.
struct TimeStampInfo {
  int64_t time_s = 0;  // seconds since 1970; fractions are cut off
  std::string policy;  // OID
  std::string serial;  // hexadecimal
  Bytes imprint;       // of whatever algorithm
};

// DataLoss: over kTimeStampLimitBytes, not the DER of one TimeStampResp, not granted, or its time
// is none.
absl::StatusOr<TimeStampInfo> ReadTimeStamp(ByteView response);

// Checks a receipt without I/O: it is granted, of version 1, over SHA-256 of `note`, of the wanted
// policy; signed under SHA-2 by a certificate with the critical extended key usage timeStamping
// alone, whose chain to the trusted roots held at the receipt's time.
// DataLoss: any of that fails. InvalidArgument: `trust` holds no certificate, or the policy is no
// OID.
absl::StatusOr<Vouched> VerifyTimeStamp(absl::string_view note, const AnchorReceipt& receipt,
                                        const TimeStampTrust& trust);

// InvalidArgument: as VerifyTimeStamp.
absl::Status CheckTimeStampTrust(const TimeStampTrust& trust);

struct Rfc3161Options {
  std::string url;  // http(s)://host[:port][/path] of the TSA
  TimeStampTrust trust;
  absl::Duration total = absl::Seconds(30);  // of an exchange, from first to last byte
  const Clock* clock = &SystemClock();
};

// Submit asks with a fresh 64-bit nonce and for the authority's certificate; beside what Verify
// checks, the reply must bear that nonce and a time within kAnchorSkewS.
// InvalidArgument: the URL, or as CheckTimeStampTrust.
absl::StatusOr<std::unique_ptr<Anchor>> MakeRfc3161Anchor(const Rfc3161Options& options);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ANCHOR_RFC3161_H_
