#include "dicom/worker_serve.h"

#include <cstdint>
#include <string>

#include "base/frame.h"
#include "base/status_macros.h"
#include "dicom/file_bytes.h"
#include "dicom/opencv_status.h"
#include "dicom/profile.h"
#include "dicom/refusal.h"
#include "dicom/worker_sandbox.h"

namespace hilum::dicom {
namespace {

// A film of four pixels with implicit VR.
Bytes TinyFilm() {
  Bytes file(128, 0);
  AppendText(file, "DICM");
  const auto append16 = [&](uint32_t value) {
    file.push_back(static_cast<uint8_t>(value));
    file.push_back(static_cast<uint8_t>(value >> 8));
  };
  const auto element = [&](uint32_t tag, absl::string_view value) {
    append16(tag >> 16);
    append16(tag);
    append16(static_cast<uint32_t>(value.size()));
    append16(0);
    AppendText(file, value);
  };
  constexpr absl::string_view kImplicit("1.2.840.10008.1.2\0", 18);
  append16(2);
  append16(0x10);
  AppendText(file, "UI");
  append16(static_cast<uint32_t>(kImplicit.size()));
  AppendText(file, kImplicit);
  const auto word = [&](uint32_t tag, char low) { element(tag, std::string{low, '\0'}); };
  element(0x00080018, "1.2.3.14");
  element(0x00080060, "CR");
  element(0x0020000D, "1.2.3.11");
  element(0x0020000E, "1.2.3.12");
  word(0x00280002, 1);
  element(0x00280004, "MONOCHROME2 ");
  word(0x00280010, 2);
  word(0x00280011, 2);
  word(0x00280100, 8);
  word(0x00280101, 8);
  word(0x00280102, 7);
  word(0x00280103, 0);
  element(0x00281050, "40");
  element(0x00281051, "400 ");
  element(0x7FE00010, "abcd");
  return file;
}

// Libraries read their tables (DCMTK's dictionary, OpenCV's processor features) on first use,
// which the sandbox would not let them. It is also a test of this program.
absl::Status WarmUp() {
  cv::setNumThreads(1);
  HILUM_ASSIGN_OR_RETURN(const Profile profile, FindProfile("cxr96"));
  return ReadFilm(TinyFilm(), profile, {}).status();
}

absl::Status AnswerOne(const PipeEnds& ends, const FilmHandler& handler) {
  HILUM_ASSIGN_OR_RETURN(const std::string frame,
                         ReadFrame(ends, kRequestLimitBytes, absl::InfiniteFuture()));
  HILUM_ASSIGN_OR_RETURN(const Descriptor file, ReceiveDescriptor(ends));
  HILUM_ASSIGN_OR_RETURN(const FilmRequest request, DecodeRequest(AsBytes(frame)));
  const Bytes answer = EncodeAnswer(handler(request, file));
  return WriteFrame(ends, AsText(answer), absl::InfiniteFuture());
}

}  // namespace

absl::StatusOr<ReadyFilm> ReadRequestedFilm(const FilmRequest& request, const Descriptor& file) {
  HILUM_ASSIGN_OR_RETURN(const Profile profile, FindProfile(request.profile));
  const GateLimits& limits = request.options.limits;
  const absl::StatusOr<Bytes> bytes = ReadDescriptor(file, limits.file_bytes);
  if (!bytes.ok()) return RefusalOfFile(bytes.status(), limits);
  return ReadFilm(*bytes, profile, request.options);
}

int ServeWorker(const FilmHandler& handler) {
  const PipeEnds ends = StandardPipe();
  absl::Status status = LimitProcess();
  if (status.ok()) status = WarmUp();
  if (status.ok()) status = EnterSandbox();
  if (!status.ok()) {
    // The other side reads why, in the place of the greeting.
    (void)WriteFrame(ends, status.message().substr(0, kSentenceLimitBytes), absl::InfiniteFuture());
    return kNoSandboxExit;
  }
  status = WriteFrame(ends, kWorkerReady, absl::InfiniteFuture());
  while (status.ok()) status = AnswerOne(ends, handler);
  return absl::IsCancelled(status) ? 0 : 1;
}

}  // namespace hilum::dicom
