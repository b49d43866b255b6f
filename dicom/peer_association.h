// DICOM's upper layer (PS3.8) by DCMTK, for peer_serve.cc only.
#ifndef HILUM_DICOM_PEER_ASSOCIATION_H_
#define HILUM_DICOM_PEER_ASSOCIATION_H_

#include "dicom/dcmtk_status.h"
//
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "dcmtk/dcmnet/assoc.h"
#include "dicom/peer_messages.h"

namespace hilum::dicom {

struct DropNetwork {
  void operator()(T_ASC_Network* network) const { ASC_dropNetwork(&network); }
};
using Network = std::unique_ptr<T_ASC_Network, DropNetwork>;

// Ready to accept on `connection` (an open socket), or to connect with kEcho (connection -1); with
// TLS, its files are read here. FailedPrecondition: a TLS file that cannot be used.
absl::StatusOr<Network> OpenNetwork(const PeerTask& task, int connection);

// Answers the peer's A-ASSOCIATE-RQ. OK: accepted. Anything else: the message is one of kPeerEnds
// and the peer has been told. `*caller` is its title where it is one that may be printed.
absl::Status AcceptAssociation(T_ASC_Network* network, const PeerTask& task,
                               T_ASC_Association** association, std::string* caller);

// One C-ECHO. Unavailable: nobody listens. PermissionDenied: the association was rejected;
// FailedPrecondition: no echo came back.
absl::Status EchoPeer(T_ASC_Network* network, const PeerTask& task);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_PEER_ASSOCIATION_H_
