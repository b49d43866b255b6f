// What a time-stamp authority, or a folder of receipts, holds.
#include "ledger_anchor/anchor_rfc3161.h"

namespace {

// Of the authority that signed `good` in the corpus, over the bytes "note".
constexpr char kAuthority[] = R"(-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUQ/39N3vIbwC5+p1mgYoQpa2gtbwwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMzAxMjM4MDBaGA8yMTI2MTEwNjEy
MzgwMFowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABBuGmliDKOU3rzVmFtM41UPJyB1nSxVcpsHoUWFPVygfn/mV0ae4BsmPkJPc
Uy0YF7eXFz7ijFbNipSca3J1BwqjUzBRMB0GA1UdDgQWBBRFuzuwsqJ5oMrahygz
ggFzKkdvKzAfBgNVHSMEGDAWgBRFuzuwsqJ5oMrahygzggFzKkdvKzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICsuenA/rcNs04XO0TNQjN1mLx9C
2gcNHnMSH6ygRYmiAiEAoJDtgc2vynxELbNqjhOfQ1s6FEf/j9Pr0nX+FjDZsVA=
-----END CERTIFICATE-----
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using hilum::ledger_anchor::ReadTimeStamp;
  using hilum::ledger_anchor::VerifyTimeStamp;
  const auto info = ReadTimeStamp(hilum::ByteView(data, size));
  const auto vouched =
      VerifyTimeStamp("note", {hilum::Bytes(data, data + size)}, {.ca_pem = kAuthority});
  // What verifies can be read, and says the same.
  if (vouched.ok() && (!info.ok() || info->time_s != vouched->time_s)) __builtin_trap();
  return 0;
}
