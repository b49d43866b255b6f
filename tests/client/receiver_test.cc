#include "client/receiver.h"

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/client/films.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/raw_scu.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using dicom::RawScu;

class ReceiverTest : public ::testing::Test {
 protected:
  ReceiverTest() {
    options_.scp.listen = "127.0.0.1:0";
    options_.scp.callers = {"CT1"};
    options_.scp.peers = {"127.0.0.1"};
    options_.limits.program = fs::path(HILUM_BIN_DIR) / "hilum-dicom-peer";
    options_.limits.idle = absl::Seconds(20);
    options_.on_event = [this](const ReceiverEvent& event) { events_.push_back(event); };
  }

  // Receives while `peers` act; `quota_bytes` of the inbox.
  void Receive(uint64_t quota_bytes, const std::function<void(uint16_t port)>& peers) {
    HILUM_ASSERT_OK_AND_ASSIGN(inbox_, Inbox::Open(folder_, quota_bytes));
    HILUM_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Receiver> receiver,
                               Receiver::Open(*inbox_, options_));
    uint32_t port = 0;
    const std::string& address = receiver->address();
    ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    std::atomic<bool> stop = false;
    absl::Status status;
    std::thread receiving([&] { status = receiver->Run(stop); });
    peers(static_cast<uint16_t>(port));
    stop = true;
    receiving.join();
    HILUM_EXPECT_OK(status);
  }

  // A film of its own, as a peer sends it.
  static Bytes DataSet(const std::string& sop) {
    dicom::Film film(16, 16, 8, dicom::Ramp(256));
    film.Text(0x00080016, "UI", dicom::kDxForPresentation).Text(0x00080018, "UI", sop);
    const Bytes file = film.Build();
    const size_t head = dicom::Preamble(dicom::kExplicit).size();
    return Bytes(file.begin() + static_cast<ptrdiff_t>(head), file.end());
  }
  static bool SendOne(uint16_t port, const std::string& sop) {
    RawScu peer(port);
    if (peer.Associate("CT1", "HILUM", dicom::kDxForPresentation, dicom::kExplicit) !=
        dicom::kAssociateAccept) {
      return false;
    }
    peer.Store(dicom::kDxForPresentation, sop, DataSet(sop));
    return peer.Read() == dicom::kData && peer.status() == 0;
  }

  const SiteFolder folder_{NewFolder("receiver")};
  Receiver::Options options_;
  std::unique_ptr<Inbox> inbox_;
  std::vector<ReceiverEvent> events_;  // the receiver tells one at a time
};

TEST_F(ReceiverTest, AHundredPeersAtOnceAllGetIn) {
  constexpr int kPeers = 100;
  std::atomic<int> n_stored = 0;
  Receive(uint64_t{1} << 30, [&](uint16_t port) {
    std::vector<std::thread> peers;
    for (int i = 0; i < kPeers; ++i) {
      peers.emplace_back([&, i] { n_stored += SendOne(port, absl::StrCat("1.2.3.", i)) ? 1 : 0; });
    }
    for (std::thread& peer : peers) peer.join();
  });
  EXPECT_EQ(n_stored, kPeers);
  for (int i = 0; i < kPeers; ++i) EXPECT_TRUE(inbox_->Has(absl::StrCat("1.2.3.", i))) << i;
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.inbox()), fs::directory_iterator()),
            kPeers);
}

TEST_F(ReceiverTest, OtherAddressesAreNotListenedTo) {
  options_.scp.peers = {"192.0.2.1"};
  Receive(uint64_t{1} << 30, [&](uint16_t port) { EXPECT_FALSE(SendOne(port, "1.2.3")); });
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_TRUE(events_[0].turned_away);
  EXPECT_EQ(events_[0].peer, "127.0.0.1");
  EXPECT_FALSE(inbox_->Has("1.2.3"));
}

TEST_F(ReceiverTest, WithoutRoomNobodyIsLetIn) {
  Receive(1 << 20, [&](uint16_t port) { EXPECT_FALSE(SendOne(port, "1.2.3")); });
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_TRUE(events_[0].turned_away);
}

TEST_F(ReceiverTest, AnObjectThatCameBeforeIsAcknowledgedAndStaysAsItWas) {
  Receive(uint64_t{1} << 30, [&](uint16_t port) {
    EXPECT_TRUE(SendOne(port, "1.2.3"));
    EXPECT_TRUE(SendOne(port, "1.2.3"));
  });
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.inbox()), fs::directory_iterator()), 1);
}

TEST_F(ReceiverTest, NothingIsReceivedWithoutAllowLists) {
  ScpOptions scp = options_.scp;
  HILUM_EXPECT_OK(CheckScp(scp));
  scp.peers.clear();
  EXPECT_THAT(CheckScp(scp), StatusIs(StatusCode::kInvalidArgument, "[scp] peers"));
  scp = options_.scp;
  scp.callers.clear();
  EXPECT_THAT(CheckScp(scp), StatusIs(StatusCode::kInvalidArgument, "[scp] callers"));
}

TEST_F(ReceiverTest, TitlesAndTlsFilesAreChecked) {
  ScpOptions scp = options_.scp;
  scp.callers = {"A,B"};
  EXPECT_THAT(CheckScp(scp), StatusIs(StatusCode::kInvalidArgument, "1 to 16"));
  scp = options_.scp;
  scp.ae_title = "ABCDEFGHIJKLMNOPQ";
  EXPECT_THAT(CheckScp(scp), StatusIs(StatusCode::kInvalidArgument, "ae_title"));
  scp = options_.scp;
  scp.tls_key = "key.pem";
  EXPECT_THAT(CheckScp(scp), StatusIs(StatusCode::kInvalidArgument, "all three or none"));
}

}  // namespace
}  // namespace hilum::client
