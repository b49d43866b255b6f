// What hilum-dicom-peer, which speaks DICOM's network protocol with one peer, is asked by the
// program that started it, and what it answers. The answers are parsed as a stranger's: a peer may
// have taken the process over.
#ifndef HILUM_DICOM_PEER_MESSAGES_H_
#define HILUM_DICOM_PEER_MESSAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::dicom {

inline constexpr size_t kPeerTaskLimitBytes = 64 << 10;
inline constexpr size_t kPeerEventLimitBytes = 512;
inline constexpr size_t kAeTitleLimit = 16;  // PS3.5 section 6.2, VR AE
inline constexpr size_t kUidLimit = 64;      // VR UI

// PEM files of TLS (PS3.15 annex B, BCP 195): all three, or none.
struct PeerTls {
  std::string certificate{};
  std::string key{};
  std::string authorities{};  // whose certificates the other side must have
  bool on() const { return !certificate.empty(); }
};

struct PeerTask {
  enum class Kind { kReceive, kEcho };
  Kind kind = Kind::kReceive;
  std::string ae_title{};              // ours
  std::vector<std::string> callers{};  // kReceive: calling AE titles that are let in
  uint64_t association_bytes = 0;      // kReceive: of all objects together
  uint64_t object_bytes = 0;           // kReceive: of one
  int objects = 0;                     // kReceive
  int idle_s = 0;
  std::string host{}, called{};  // kEcho
  int port = 0;                  // kEcho
  PeerTls tls{};
};

// Lines `key=value`. Values hold no line ends; the caller has seen to that.
std::string EncodePeerTask(const PeerTask& task);
// InvalidArgument: not what EncodePeerTask writes.
absl::StatusOr<PeerTask> DecodePeerTask(absl::string_view text);

// What the process says. After kObject it waits for an open file, after kStored for one of the
// words below.
struct PeerEvent {
  enum class Kind { kReady, kCaller, kObject, kStored, kRefused, kEnd };
  Kind kind = Kind::kReady;
  std::string text{};  // kCaller: its AE title; kStored: SOP Instance UID; kRefused: a code of
                       // refusal.h or MISMATCH; kEnd: see kPeerEnds
};
inline constexpr absl::string_view kPeerTaken = "taken";     // the object is on the disk
inline constexpr absl::string_view kPeerNoRoom = "no room";  // it is not

// How an association ended, as kEnd says it.
inline constexpr absl::string_view kPeerEnds[] = {
    "released",  "aborted", "silent",   "calling AE title", "called AE title",
    "SOP class", "limit",   "protocol", "no file",          "TLS"};

std::string EncodePeerEvent(const PeerEvent& event);
// InvalidArgument: another word, a text that is not of the event's form.
absl::StatusOr<PeerEvent> DecodePeerEvent(absl::string_view text);

// 1 to 16 letters, digits, '_', '-', '.' or inner spaces: narrower than VR AE, so that a title is
// safe to print.
bool IsAeTitle(absl::string_view text);
// Digits and single dots, 1 to 64.
bool IsUid(absl::string_view text);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PEER_MESSAGES_H_
