// hilum-dicom-worker: started by the other programs, never by people. Decodes the files that it is
// handed, in a sandbox.
#include "dicom/worker_serve.h"

int main() { return hilum::dicom::ServeWorker(hilum::dicom::ReadRequestedFilm); }
