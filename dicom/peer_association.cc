#include "dicom/peer_association.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dcmtk/dcmnet/dcmtrans.h"
#include "dcmtk/dcmnet/dimse.h"
#include "dcmtk/dcmtls/tlslayer.h"
#include "dicom/syntax.h"

namespace hilum::dicom {
namespace {

constexpr long kPduBytes = 65'536;

// What a site's models read, films and volumes (docs/dicom.md, conformance).
constexpr std::array kStorageClasses = {UID_ComputedRadiographyImageStorage,
                                        UID_DigitalXRayImageStorageForPresentation,
                                        UID_CTImageStorage, UID_EnhancedCTImageStorage};

absl::Status AddTls(T_ASC_Network* network, T_ASC_NetworkRole role, const PeerTls& tls) {
  auto layer = std::make_unique<DcmTLSTransportLayer>(role, nullptr, OFTrue);
  const auto use = [](const OFCondition& condition, const std::string& file) {
    if (condition.good()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(file, " is not a PEM file that TLS can use, or does not fit the others"));
  };
  absl::Status status = use(layer->setPrivateKeyFile(tls.key.c_str(), DCF_Filetype_PEM), tls.key);
  if (status.ok()) {
    status =
        use(layer->setCertificateFile(tls.certificate.c_str(), DCF_Filetype_PEM), tls.certificate);
  }
  if (status.ok() && !layer->checkPrivateKeyMatchesCertificate()) {
    status = absl::FailedPreconditionError(
        absl::StrCat(tls.key, " is not the key of ", tls.certificate));
  }
  if (status.ok()) {
    status = use(layer->addTrustedCertificateFile(tls.authorities.c_str(), DCF_Filetype_PEM),
                 tls.authorities);
  }
  if (!status.ok()) return status;
  layer->setCertificateVerification(DCV_requireCertificate);
  if (layer->setTLSProfile(TSP_Profile_BCP195_ND).bad() || layer->activateCipherSuites().bad() ||
      ASC_setTransportLayer(network, layer.get(), /*takeoverOwnership=*/1).bad()) {
    return absl::FailedPreconditionError("this computer's OpenSSL has no TLS 1.2 of BCP 195");
  }
  layer.release();  // the network owns it
  return absl::OkStatus();
}

// Explicit little endian is what most archives hold; then the rest of our table, as the peer
// proposes them.
std::vector<std::string> SyntaxesByPreference() {
  std::vector<std::string> uids = {UID_LittleEndianExplicitTransferSyntax};
  for (const Syntax& syntax : AllSyntaxes()) {
    if (syntax.uid != uids.front()) uids.emplace_back(syntax.uid);
  }
  return uids;
}

absl::Status Reject(T_ASC_Association* association, T_ASC_RejectParametersReason reason,
                    absl::string_view end) {
  const T_ASC_RejectParameters parameters = {ASC_RESULT_REJECTEDPERMANENT, ASC_SOURCE_SERVICEUSER,
                                             reason};
  ASC_rejectAssociation(association, &parameters);
  return absl::PermissionDeniedError(end);
}

struct Titles {
  std::string calling;
  std::string called;
};

Titles TitlesOf(T_ASC_Parameters* parameters) {
  DIC_AE calling{}, called{}, responding{};
  if (ASC_getAPTitles(parameters, calling, sizeof(calling), called, sizeof(called), responding,
                      sizeof(responding))
          .bad()) {
    return {};
  }
  return {std::string(absl::StripAsciiWhitespace(calling)),
          std::string(absl::StripAsciiWhitespace(called))};
}

bool AcceptContexts(T_ASC_Parameters* parameters) {
  const std::vector<std::string> uids = SyntaxesByPreference();
  std::vector<const char*> syntaxes;
  for (const std::string& uid : uids) syntaxes.push_back(uid.c_str());
  std::array classes = kStorageClasses;
  std::array verification = {UID_VerificationSOPClass};
  std::array native = {UID_LittleEndianExplicitTransferSyntax,
                       UID_LittleEndianImplicitTransferSyntax};
  return ASC_acceptContextsWithPreferredTransferSyntaxes(
             parameters, classes.data(), static_cast<int>(classes.size()), syntaxes.data(),
             static_cast<int>(syntaxes.size()))
             .good() &&
         ASC_acceptContextsWithPreferredTransferSyntaxes(
             parameters, verification.data(), 1, native.data(), static_cast<int>(native.size()))
             .good() &&
         ASC_countAcceptedPresentationContexts(parameters) > 0;
}

}  // namespace

absl::StatusOr<Network> OpenNetwork(const PeerTask& task, int connection) {
  const bool accepts = task.kind == PeerTask::Kind::kReceive;
  const T_ASC_NetworkRole role = accepts ? NET_ACCEPTOR : NET_REQUESTOR;
  dcmDisableGethostbyaddr.set(OFTrue);
  dcmSocketReceiveTimeout.set(task.idle_s);
  dcmSocketSendTimeout.set(task.idle_s);
  dcmConnectionTimeout.set(task.idle_s);
  if (accepts) dcmExternalSocketHandle.set(connection);
  T_ASC_Network* opened = nullptr;
  if (ASC_initializeNetwork(role, 0, task.idle_s, &opened).bad()) {
    return absl::UnavailableError("DCMTK's network layer does not start");
  }
  Network network(opened);
  if (task.tls.on()) {
    if (absl::Status status = AddTls(network.get(), role, task.tls); !status.ok()) return status;
  }
  return network;
}

absl::Status AcceptAssociation(T_ASC_Network* network, const PeerTask& task,
                               T_ASC_Association** association, std::string* caller) {
  const OFCondition received =
      ASC_receiveAssociation(network, association, kPduBytes, nullptr, nullptr,
                             task.tls.on() ? OFTrue : OFFalse, DUL_NOBLOCK, task.idle_s);
  if (received.bad() || *association == nullptr) {
    return absl::UnavailableError(task.tls.on() ? "TLS" : "silent");
  }
  T_ASC_Parameters* parameters = (*association)->params;
  const Titles titles = TitlesOf(parameters);
  if (IsAeTitle(titles.calling)) *caller = titles.calling;
  if (titles.called != task.ae_title) {
    return Reject(*association, ASC_REASON_SU_CALLEDAETITLENOTRECOGNIZED, "called AE title");
  }
  if (std::find(task.callers.begin(), task.callers.end(), titles.calling) == task.callers.end()) {
    return Reject(*association, ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED, "calling AE title");
  }
  if (!AcceptContexts(parameters)) {
    return Reject(*association, ASC_REASON_SU_NOREASON, "SOP class");
  }
  if (ASC_acknowledgeAssociation(*association).bad()) return absl::UnavailableError("aborted");
  return absl::OkStatus();
}

absl::Status EchoPeer(T_ASC_Network* network, const PeerTask& task) {
  T_ASC_Parameters* parameters = nullptr;
  if (ASC_createAssociationParameters(&parameters, kPduBytes).bad()) {
    return absl::UnavailableError("DCMTK's network layer does not start");
  }
  std::array native = {UID_LittleEndianExplicitTransferSyntax,
                       UID_LittleEndianImplicitTransferSyntax};
  ASC_setAPTitles(parameters, task.ae_title.c_str(), task.called.c_str(), nullptr);
  ASC_setTransportLayerType(parameters, task.tls.on() ? OFTrue : OFFalse);
  ASC_setPresentationAddresses(parameters, "localhost",
                               absl::StrCat(task.host, ":", task.port).c_str());
  ASC_addPresentationContext(parameters, 1, UID_VerificationSOPClass, native.data(),
                             static_cast<int>(native.size()));
  T_ASC_Association* association = nullptr;
  const OFCondition requested = ASC_requestAssociation(network, parameters, &association, nullptr,
                                                       nullptr, DUL_NOBLOCK, task.idle_s);
  absl::Status status;
  if (requested == DUL_ASSOCIATIONREJECTED) {
    status = absl::PermissionDeniedError(
        absl::StrCat("it rejects the association of ", task.ae_title, " with ", task.called,
                     ": enter this AE title, address and port there, and check the called one"));
  } else if (requested.bad()) {
    status = absl::UnavailableError(
        "no DICOM service answers there: check address, port, firewall and TLS");
  } else {
    DIC_US answer = 0xFFFF;
    DcmDataset* detail = nullptr;
    const OFCondition echoed = DIMSE_echoUser(association, association->nextMsgID++,
                                              DIMSE_NONBLOCKING, task.idle_s, &answer, &detail);
    delete detail;
    if (echoed.bad() || answer != STATUS_Success) {
      status = absl::FailedPreconditionError(
          "it accepts the association and does not answer C-ECHO: ask its administrator");
    }
    ASC_releaseAssociation(association);
  }
  if (association != nullptr) {
    ASC_destroyAssociation(&association);
  } else {
    ASC_destroyAssociationParameters(&parameters);
  }
  return status;
}

}  // namespace hilum::dicom
