// The inside of hilum-dicom-worker: reads the files that it is handed, until nobody asks any more.
#ifndef HILUM_DICOM_WORKER_SERVE_H_
#define HILUM_DICOM_WORKER_SERVE_H_

#include <functional>

#include "absl/status/statusor.h"
#include "base/descriptor.h"
#include "dicom/film.h"
#include "dicom/worker_messages.h"

namespace hilum::dicom {

using FilmHandler =
    std::function<absl::StatusOr<ReadyFilm>(const FilmRequest& request, const Descriptor& file)>;

// Sets up the sandbox, says kWorkerReady on standard output, and answers requests with `handler`.
// Returns the exit code: 0 when the other side closed, kNoSandboxExit when there is no sandbox.
int ServeWorker(const FilmHandler& handler);

// The handler of hilum-dicom-worker: ReadFilm on the bytes of the file.
absl::StatusOr<ReadyFilm> ReadRequestedFilm(const FilmRequest& request, const Descriptor& file);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_WORKER_SERVE_H_
