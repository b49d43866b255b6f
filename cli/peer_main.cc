// hilum-dicom-peer: started by hilum-site, never by people. Speaks DICOM's network protocol with
// one peer, in a sandbox.
#include "dicom/peer_serve.h"

int main() { return hilum::dicom::ServePeer(); }
