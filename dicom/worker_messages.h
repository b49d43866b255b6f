// What a program and its DICOM worker say to each other, as bytes.
//
// The worker has read hostile bytes, so its answers are parsed as those of a stranger: each length,
// number and term is checked, and nothing is allocated by a number from the answer.
#ifndef HILUM_DICOM_WORKER_MESSAGES_H_
#define HILUM_DICOM_WORKER_MESSAGES_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/film.h"

namespace hilum::dicom {

// Sent by the worker once its sandbox holds.
inline constexpr char kWorkerReady[] = "hilum-dicom-worker 1";

inline constexpr size_t kRequestLimitBytes = 1 << 10;
inline constexpr size_t kSentenceLimitBytes = 512;
inline constexpr size_t kIdentifierLimitBytes = 1 << 10;

// One film to read; the open file comes beside it.
struct FilmRequest {
  std::string profile;  // a name of profile.h
  ReadOptions options;
};

Bytes EncodeRequest(const FilmRequest& request);
// InvalidArgument: not a request of this version.
absl::StatusOr<FilmRequest> DecodeRequest(ByteView bytes);

// The longest answer for a profile of this size.
size_t AnswerLimitBytes(int size_px);

// A film, or why it was refused. A film with an identifier of more than kIdentifierLimitBytes
// becomes the refusal DICOM.
Bytes EncodeAnswer(const absl::StatusOr<ReadyFilm>& film);

// The film or the refusal. WORKER: the bytes are neither; `size_px` is that of the profile asked
// for.
absl::StatusOr<ReadyFilm> DecodeAnswer(ByteView bytes, int size_px);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_WORKER_MESSAGES_H_
