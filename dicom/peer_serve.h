// The main function of hilum-dicom-peer: one association, or one C-ECHO, then the process ends.
// A peer that lies, floods or takes it over has a process without files, keys of the site or new
// connections; DCMTK's network code, of which most advisories are, runs nowhere else.
#ifndef HILUM_DICOM_PEER_SERVE_H_
#define HILUM_DICOM_PEER_SERVE_H_

namespace hilum::dicom {

// Reads one PeerTask from standard input. kReceive: takes the peer's connection and, for each
// object, a file to fill (SendDescriptor); objects pass the safety gate before they are announced
// as stored (DICOM PS3.4 annex B, PS3.7 section 9.1.1 and 9.1.5; PS3.8). kEcho: connects.
// Returns the exit code; kNoSandboxExit after a sentence in the place of the first event.
int ServePeer();

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PEER_SERVE_H_
