#include "client/receiver.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::client {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(200);
// An association waits for others to end where it would get less room than the first, and is turned
// away where it would get less than the second although there are no others.
constexpr uint64_t kRoomBytes = 64 << 20;
constexpr uint64_t kMinRoomBytes = 1 << 20;

// Files of one association, within what was set aside for it.
class InboxSink : public dicom::ObjectSink {
 public:
  explicit InboxSink(Inbox& inbox) : inbox_(inbox) {}
  absl::StatusOr<NewFile> Begin() override { return inbox_.Begin(); }
  absl::Status Take(NewFile file, const std::string& sop_uid) override {
    return inbox_.Take(std::move(file), sop_uid).status();
  }

 private:
  Inbox& inbox_;
};

// One running association.
struct Running {
  std::thread thread;
  std::atomic<bool> done = false;
};

}  // namespace

absl::Status CheckScp(const ScpOptions& scp) {
  if (scp.callers.empty() || scp.peers.empty()) {
    return absl::InvalidArgumentError(
        "nobody may send objects here yet: name the calling AE titles in [scp] callers and their "
        "addresses in [scp] peers of site.toml.");
  }
  for (const std::string& title : scp.callers) {
    if (dicom::IsAeTitle(title)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "[scp] callers has \"", title.substr(0, 40),
        "\", an AE title has 1 to 16 letters, digits, '_', '-', '.' or inner spaces."));
  }
  if (!dicom::IsAeTitle(scp.ae_title)) {
    return absl::InvalidArgumentError(
        absl::StrCat("[scp] ae_title is \"", scp.ae_title.substr(0, 40), "\", no AE title."));
  }
  const int n_files = static_cast<int>(!scp.tls_certificate.empty()) +
                      static_cast<int>(!scp.tls_key.empty()) +
                      static_cast<int>(!scp.tls_ca.empty());
  if (n_files % 3 == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "[scp] names ", n_files, " of tls_certificate, tls_key and tls_ca: name all three or none."));
}

absl::StatusOr<std::unique_ptr<Receiver>> Receiver::Open(Inbox& inbox, Options options) {
  HILUM_RETURN_IF_ERROR(CheckScp(options.scp));
  HILUM_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Open(options.scp.listen));
  return std::unique_ptr<Receiver>(new Receiver(inbox, std::move(options), std::move(listener)));
}

bool Receiver::IsPeer(const std::string& address) const {
  const std::vector<std::string>& peers = options_.scp.peers;
  return std::find(peers.begin(), peers.end(), address) != peers.end();
}

ReceiverEvent Receiver::Serve(AcceptedConnection connection, uint64_t room_bytes,
                              const std::atomic<bool>& stop) {
  ReceiverEvent event{.peer = connection.peer};
  dicom::ReceiveOptions limits = options_.limits;
  limits.ae_title = options_.scp.ae_title;
  limits.callers = options_.scp.callers;
  limits.tls = {.certificate = options_.scp.tls_certificate,
                .key = options_.scp.tls_key,
                .authorities = options_.scp.tls_ca};
  limits.association_bytes = room_bytes;
  limits.object_bytes = std::min(limits.object_bytes, room_bytes);
  InboxSink sink(inbox_);
  absl::StatusOr<dicom::ReceiveReport> report =
      dicom::ReceiveAssociation(std::move(connection.socket), limits, sink, stop);
  if (report.ok()) {
    event.report = *std::move(report);
  } else {
    event.status = report.status();
  }
  inbox_.Release(room_bytes);
  return event;
}

absl::Status Receiver::Run(const std::atomic<bool>& stop) {
  std::mutex mutex;  // of the callback and the first error
  absl::Status failed;
  std::list<Running> running;
  const auto tell = [&](const ReceiverEvent& event) {
    const std::lock_guard lock(mutex);
    if (failed.ok()) failed = event.status;
    if (options_.on_event) options_.on_event(event);
  };
  const auto may_go_on = [&] {
    const std::lock_guard lock(mutex);
    return failed.ok() && !stop;
  };
  while (may_go_on()) {
    running.remove_if([](Running& one) {
      const bool done = one.done;
      if (done) one.thread.join();
      return done;
    });
    const bool others_have_it = !running.empty() && inbox_.LeftBytes() / 2 < kRoomBytes;
    if (others_have_it || running.size() >= static_cast<size_t>(options_.scp.associations)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    absl::StatusOr<AcceptedConnection> connection = listener_.Accept(kLook);
    if (absl::IsDeadlineExceeded(connection.status())) continue;
    if (!connection.ok()) {
      tell({.status = connection.status()});
      break;
    }
    const uint64_t room_bytes =
        IsPeer(connection->peer) ? inbox_.Reserve(options_.limits.association_bytes) : 0;
    if (room_bytes < kMinRoomBytes) {
      inbox_.Release(room_bytes);
      tell({.peer = connection->peer, .turned_away = true});
      continue;  // closed at the end of its scope, unread
    }
    Running& one = running.emplace_back();
    one.thread =
        std::thread([this, &one, &stop, &tell, room_bytes, c = *std::move(connection)]() mutable {
          tell(Serve(std::move(c), room_bytes, stop));
          one.done = true;
        });
  }
  for (Running& one : running) one.thread.join();
  return failed;
}

}  // namespace hilum::client
