#include "dicom/peer_serve.h"

#include "dicom/peer_association.h"
//
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "base/frame.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcdict.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dcmtk/dcmnet/dimse.h"
#include "dicom/gate.h"
#include "dicom/header.h"
#include "dicom/worker_sandbox.h"

namespace hilum::dicom {
namespace {

// Our own implementation class (PS3.7 annex D.3.3.2), below the root for UIDs made from UUIDs.
constexpr absl::string_view kImplementationUid = "2.25.94523741263459182734650918273465091827";

// An object is read for the gate, and inflated where it is deflated.
constexpr uint64_t kMemoryBytes = uint64_t{2} << 30;

using Kind = PeerEvent::Kind;

absl::Status Say(const PipeEnds& ends, Kind kind, absl::string_view text = "") {
  return WriteFrame(ends, EncodePeerEvent({kind, std::string(text)}), absl::InfiniteFuture());
}

// One element of the file meta information, which is explicit little endian (PS3.10 section 7.1).
void AppendUid(Bytes& out, uint8_t element, absl::string_view uid) {
  const size_t size = uid.size() + uid.size() % 2;
  const Bytes head = {0x02, 0x00, element, 0x00, 'U', 'I', static_cast<uint8_t>(size), 0x00};
  AppendBytes(out, head);
  AppendText(out, uid);
  if (size != uid.size()) out.push_back(0);
}

// What stands before the data set in a file. All texts are UIDs: at most 64 characters.
Bytes FileHead(absl::string_view sop_class, absl::string_view sop, absl::string_view syntax) {
  Bytes meta = {0x02, 0x00, 0x01, 0x00, 'O', 'B', 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
  AppendUid(meta, 0x02, sop_class);
  AppendUid(meta, 0x03, sop);
  AppendUid(meta, 0x10, syntax);
  AppendUid(meta, 0x12, kImplementationUid);
  Bytes head(128, 0);
  AppendText(head, "DICM");
  const Bytes length = {0x02, 0x00, 0x00, 0x00, 'U', 'L', 0x04, 0x00};
  AppendBytes(head, length);
  for (int shift = 0; shift < 32; shift += 8) {
    head.push_back(static_cast<uint8_t>(meta.size() >> shift));
  }
  AppendBytes(head, meta);
  return head;
}

class Receiver {
 public:
  Receiver(const PipeEnds& ends, const PeerTask& task, T_ASC_Association* association)
      : ends_(ends), task_(task), association_(association) {}

  // Serves until the association ends; returns one of kPeerEnds. Anything but a release ends with
  // an A-ABORT.
  absl::string_view Run();

 private:
  // Empty: the next command may come.
  absl::string_view Serve(T_ASC_PresentationContextID context, T_DIMSE_Message& message);
  absl::string_view Store(T_ASC_PresentationContextID context, const T_DIMSE_C_StoreRQ& request);
  absl::string_view NextPdv(DUL_PDV* pdv);
  absl::string_view Fill(const Descriptor& file, T_ASC_PresentationContextID context);
  // The DIMSE status; nullopt: the other process is gone.
  std::optional<DIC_US> Judge(const Descriptor& file, absl::string_view sop);

  const PipeEnds& ends_;
  const PeerTask& task_;
  T_ASC_Association* association_;
  uint64_t n_bytes_ = 0;  // of all objects
  int n_objects_ = 0;
};

absl::string_view Receiver::Run() {
  while (true) {
    T_ASC_PresentationContextID context = 0;
    T_DIMSE_Message message{};
    DcmDataset* detail = nullptr;
    const OFCondition received = DIMSE_receiveCommand(association_, DIMSE_NONBLOCKING, task_.idle_s,
                                                      &context, &message, &detail);
    delete detail;
    if (received == DUL_PEERREQUESTEDRELEASE) {
      ASC_acknowledgeRelease(association_);
      return "released";
    }
    if (received == DUL_PEERABORTEDASSOCIATION || received == DUL_NETWORKCLOSED) return "aborted";
    absl::string_view end = received == DIMSE_NODATAAVAILABLE ? "silent" : "protocol";
    if (received.good()) end = Serve(context, message);
    if (end.empty()) continue;
    ASC_abortAssociation(association_);
    return end;
  }
}

absl::string_view Receiver::Serve(T_ASC_PresentationContextID context, T_DIMSE_Message& message) {
  if (message.CommandField == DIMSE_C_ECHO_RQ) {
    return DIMSE_sendEchoResponse(association_, context, &message.msg.CEchoRQ, STATUS_Success,
                                  nullptr)
                   .good()
               ? ""
               : "aborted";
  }
  if (message.CommandField != DIMSE_C_STORE_RQ) return "protocol";
  return Store(context, message.msg.CStoreRQ);
}

absl::string_view Receiver::Store(T_ASC_PresentationContextID context,
                                  const T_DIMSE_C_StoreRQ& request) {
  T_ASC_PresentationContext accepted{};
  const absl::string_view sop = request.AffectedSOPInstanceUID;
  if (ASC_findAcceptedPresentationContext(association_->params, context, &accepted).bad() ||
      std::strcmp(accepted.abstractSyntax, request.AffectedSOPClassUID) != 0 || !IsUid(sop)) {
    return "protocol";
  }
  if (++n_objects_ > task_.objects) return "limit";
  if (!Say(ends_, Kind::kObject).ok()) return "no file";
  const absl::StatusOr<Descriptor> file = ReceiveDescriptor(ends_);
  if (!file.ok()) return "no file";
  const Bytes head = FileHead(request.AffectedSOPClassUID, sop, accepted.acceptedTransferSyntax);
  if (!WriteDescriptor(*file, head).ok()) return "no file";
  if (const absl::string_view end = Fill(*file, context); !end.empty()) return end;
  const std::optional<DIC_US> status = Judge(*file, sop);
  if (!status.has_value()) return "no file";
  T_DIMSE_C_StoreRSP response{};
  response.MessageIDBeingRespondedTo = request.MessageID;
  std::memcpy(response.AffectedSOPClassUID, request.AffectedSOPClassUID, sizeof(DIC_UI));
  std::memcpy(response.AffectedSOPInstanceUID, request.AffectedSOPInstanceUID, sizeof(DIC_UI));
  response.DataSetType = DIMSE_DATASET_NULL;
  response.DimseStatus = *status;
  response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
  return DIMSE_sendStoreResponse(association_, context, &request, &response, nullptr).good()
             ? ""
             : "aborted";
}

// The next part of a data set. DIMSE_receiveDataSetInFile is not used: where it cannot write it
// reads on until the peer ends, which a hostile one never does.
absl::string_view Receiver::NextPdv(DUL_PDV* pdv) {
  if (DUL_NextPDV(&association_->DULassociation, pdv).good()) return "";
  const OFCondition read =
      DUL_ReadPDVs(&association_->DULassociation, nullptr, DUL_NOBLOCK, task_.idle_s);
  if (read == DUL_READTIMEOUT) return "silent";
  if (read == DUL_PEERABORTEDASSOCIATION || read == DUL_NETWORKCLOSED) return "aborted";
  if (read != DUL_PDATAPDUARRIVED) return "protocol";
  return DUL_NextPDV(&association_->DULassociation, pdv).good() ? "" : "protocol";
}

absl::string_view Receiver::Fill(const Descriptor& file, T_ASC_PresentationContextID context) {
  uint64_t size_bytes = 0;
  DUL_PDV pdv{};
  do {
    if (const absl::string_view end = NextPdv(&pdv); !end.empty()) return end;
    if (pdv.pdvType != DUL_DATASETPDV || pdv.presentationContextID != context) return "protocol";
    size_bytes += pdv.fragmentLength;
    n_bytes_ += pdv.fragmentLength;
    if (size_bytes > task_.object_bytes || n_bytes_ > task_.association_bytes) return "limit";
    const ByteView bytes(static_cast<const uint8_t*>(pdv.data), pdv.fragmentLength);
    const absl::Status written = WriteDescriptor(file, bytes);
    if (absl::IsResourceExhausted(written)) return "limit";
    if (!written.ok()) return "no file";
  } while (!pdv.lastPDV);
  return "";
}

std::optional<DIC_US> Receiver::Judge(const Descriptor& file, absl::string_view sop) {
  const auto refused = [&](absl::string_view code, DIC_US status) -> std::optional<DIC_US> {
    if (!Say(ends_, Kind::kRefused, code).ok()) return std::nullopt;
    return status;
  };
  const absl::StatusOr<Bytes> bytes = ReadDescriptor(file, GateLimits{}.file_bytes);
  if (!bytes.ok()) return refused("FILE_SIZE", STATUS_STORE_Refused_OutOfResources);
  const absl::StatusOr<SafeFile> safe = OpenFile(*bytes);
  if (!safe.ok()) return refused(CodeOf(safe.status()), STATUS_STORE_Error_CannotUnderstand);
  const absl::StatusOr<Header> header = ParseHeader(*safe);
  if (!header.ok()) return refused(CodeOf(header.status()), STATUS_STORE_Error_CannotUnderstand);
  if (header->sop_uid != sop) {
    return refused("MISMATCH", STATUS_STORE_Error_DataSetDoesNotMatchSOPClass);
  }
  if (!Say(ends_, Kind::kStored, sop).ok()) return std::nullopt;
  const absl::StatusOr<std::string> answer =
      ReadFrame(ends_, kPeerEventLimitBytes, absl::InfiniteFuture());
  if (!answer.ok()) return std::nullopt;
  return *answer == kPeerTaken ? STATUS_Success : STATUS_STORE_Refused_OutOfResources;
}

absl::Status ReceiveFrom(const PipeEnds& ends, const PeerTask& task) {
  HILUM_ASSIGN_OR_RETURN(const Descriptor connection, ReceiveDescriptor(ends));
  HILUM_ASSIGN_OR_RETURN(const Network network, OpenNetwork(task, connection.fd()));
  HILUM_RETURN_IF_ERROR(EnterSandboxWithConnection());
  HILUM_RETURN_IF_ERROR(Say(ends, Kind::kReady));
  T_ASC_Association* association = nullptr;
  std::string caller;
  const absl::Status accepted = AcceptAssociation(network.get(), task, &association, &caller);
  if (!caller.empty()) HILUM_RETURN_IF_ERROR(Say(ends, Kind::kCaller, caller));
  absl::string_view end = accepted.message();
  if (accepted.ok()) end = Receiver(ends, task, association).Run();
  if (association != nullptr) {
    ASC_dropSCPAssociation(association, /*timeout=*/1);
    ASC_destroyAssociation(&association);
  }
  return Say(ends, Kind::kEnd, end);
}

absl::Status Serve(const PipeEnds& ends) {
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ReadFrame(ends, kPeerTaskLimitBytes, absl::InfiniteFuture()));
  HILUM_ASSIGN_OR_RETURN(const PeerTask task, DecodePeerTask(text));
  // The file's head is ours, and the gate reads what came in one piece.
  const uint64_t file_bytes = task.object_bytes + 4096;
  HILUM_RETURN_IF_ERROR(
      LimitProcess({.memory_bytes = kMemoryBytes, .written_file_bytes = file_bytes}));
  if (!dcmDataDict.isDictionaryLoaded()) {  // reads it
    return absl::UnavailableError("DCMTK's data dictionary is missing");
  }
  if (task.kind == PeerTask::Kind::kReceive) return ReceiveFrom(ends, task);
  HILUM_ASSIGN_OR_RETURN(const Network network, OpenNetwork(task, -1));
  HILUM_RETURN_IF_ERROR(EchoPeer(network.get(), task));
  return Say(ends, Kind::kEnd, "released");
}

}  // namespace

int ServePeer() {
  const PipeEnds ends = StandardPipe();
  const absl::Status status = CatchDcmtk([&] { return Serve(ends); });
  if (status.ok()) return 0;
  (void)WriteFrame(ends, status.message().substr(0, kPeerEventLimitBytes), absl::InfiniteFuture());
  return kNoSandboxExit;
}

}  // namespace hilum::dicom
