// DICOM's network protocol with one peer, spoken by hilum-dicom-peer in a sandbox.
#ifndef HILUM_DICOM_PEER_H_
#define HILUM_DICOM_PEER_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"
#include "base/new_file.h"
#include "dicom/peer_messages.h"

namespace hilum::dicom {

// Where received objects go. Used by one thread at a time for each association.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  // A file for the next object. ResourceExhausted: there is no room.
  virtual absl::StatusOr<NewFile> Begin() = 0;
  // Takes a complete object that passed the safety gate in the sandbox. After OK it is on the disk.
  // ResourceExhausted: there is no room.
  virtual absl::Status Take(NewFile file, const std::string& sop_uid) = 0;
};

struct ReceiveOptions {
  std::filesystem::path program{};  // hilum-dicom-peer; empty: the one beside this program
  std::string ae_title;
  std::vector<std::string> callers;  // calling AE titles that are let in
  PeerTls tls{};
  // Per association.
  uint64_t association_bytes = uint64_t{4} << 30;
  uint64_t object_bytes = uint64_t{512} << 20;
  int objects = 10'000;
  absl::Duration association = absl::Minutes(30);
  absl::Duration idle = absl::Seconds(60);
};

struct ReceiveReport {
  std::string caller;  // its AE title; empty: none that may be printed
  int stored = 0;
  std::vector<std::string> refused;  // codes of refusal.h, or MISMATCH: data set and command name
                                     // different objects
  std::string end;                   // one of kPeerEnds; "time", "stopped", "crashed"
};

// Serves C-STORE (CR, DX for presentation, CT, enhanced CT; the transfer syntaxes of syntax.h) and
// C-ECHO on an accepted connection until it ends. Only what `sink` took is acknowledged.
// Unavailable: the process cannot be started or has no sandbox; nothing is received.
absl::StatusOr<ReceiveReport> ReceiveAssociation(Descriptor connection,
                                                 const ReceiveOptions& options, ObjectSink& sink,
                                                 const std::atomic<bool>& stop);

struct EchoOptions {
  std::filesystem::path program{};  // as above
  std::string ae_title;             // ours
  std::string host;
  int port = 0;
  std::string called;  // its AE title
  PeerTls tls{};
  absl::Duration patience = absl::Seconds(5);
};
// C-ECHO (PS3.4 annex A). FailedPrecondition: it does not answer; the sentence says in which step
// and what to do. Unavailable: the process cannot be started.
absl::Status Echo(const EchoOptions& options);

// hilum-dicom-peer beside this program, or in the folder bin/ next to this program's folder.
// Unavailable: neither is there.
absl::StatusOr<std::filesystem::path> PeerProgram();

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PEER_H_
