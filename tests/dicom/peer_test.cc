#include "dicom/peer.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/tcp_listener.h"
#include "dicom/gate.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/raw_scu.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

constexpr uint32_t kSopClass = 0x00080016;
constexpr uint32_t kSopInstance = 0x00080018;

// Objects into a folder, by the order in which they came.
class FolderSink : public ObjectSink {
 public:
  explicit FolderSink(fs::path folder) : folder_(std::move(folder)) {}
  absl::StatusOr<NewFile> Begin() override {
    if (full) return absl::ResourceExhaustedError("full");
    return NewFile::Create(folder_);
  }
  absl::Status Take(NewFile file, const std::string& sop_uid) override {
    if (full) return absl::ResourceExhaustedError("full");
    uids.push_back(sop_uid);
    return file.Commit(folder_ / absl::StrCat(uids.size(), ".dcm"));
  }
  std::atomic<bool> full = false;
  std::vector<std::string> uids;

 private:
  const fs::path folder_;
};

class PeerTest : public testing::Test {
 protected:
  PeerTest()
      : folder_(fs::path(testing::TempDir()) / absl::StrCat("peer_", getpid())), sink_(folder_) {
    fs::create_directories(folder_);
    options_.program = fs::path(HILUM_BIN_DIR) / "hilum-dicom-peer";
    options_.ae_title = "HILUM";
    options_.callers = {"CT1"};
    options_.idle = absl::Seconds(20);
  }
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(TcpListener listener, TcpListener::Open("127.0.0.1:0"));
    listener_ = std::make_unique<TcpListener>(std::move(listener));
    uint32_t port = 0;
    ASSERT_TRUE(
        absl::SimpleAtoi(listener_->address().substr(listener_->address().rfind(':') + 1), &port));
    port_ = static_cast<uint16_t>(port);
  }
  ~PeerTest() override { fs::remove_all(folder_); }

  // Receives one association while `peer` acts.
  ReceiveReport Receive(const std::function<void()>& peer) {
    ReceiveReport report;
    std::thread receiving([&] {
      absl::StatusOr<AcceptedConnection> connection = listener_->Accept(absl::Seconds(30));
      ASSERT_TRUE(connection.ok());
      absl::StatusOr<ReceiveReport> received =
          ReceiveAssociation(std::move(connection->socket), options_, sink_, stop_);
      ASSERT_TRUE(received.ok()) << received.status();
      report = *std::move(received);
    });
    peer();
    receiving.join();
    return report;
  }

  int Run(const std::string& command) const {
    return std::system(absl::StrCat("timeout 60 ", command, " >/dev/null 2>&1").c_str());
  }
  ptrdiff_t Files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
  FolderSink sink_;
  ReceiveOptions options_;
  std::atomic<bool> stop_ = false;
  std::unique_ptr<TcpListener> listener_;
  uint16_t port_ = 0;
};

Film Dx(const std::string& sop) {
  Film film(16, 16, 8, Ramp(256));
  film.Text(kSopClass, "UI", kDxForPresentation).Text(kSopInstance, "UI", sop);
  return film;
}

// What is sent of a file: all behind its file meta information.
Bytes DataSet(const Film& film) {
  const Bytes file = film.Build();
  const size_t head = Preamble(kExplicit).size();
  return Bytes(file.begin() + static_cast<ptrdiff_t>(head), file.end());
}

TEST_F(PeerTest, StoresWhatStorescuSends) {
  const fs::path sent = folder_ / "sent.dcm";
  HILUM_ASSERT_OK(WriteFileDurably(sent, Dx("1.2.3.4").Build()));
  const ReceiveReport report = Receive([&] {
    EXPECT_EQ(
        Run(absl::StrCat("storescu -aet CT1 -aec HILUM 127.0.0.1 ", port_, " ", sent.string())), 0);
  });
  EXPECT_EQ(report.caller, "CT1");
  EXPECT_EQ(report.stored, 1);
  EXPECT_EQ(report.end, "released");
  ASSERT_EQ(sink_.uids, std::vector<std::string>{"1.2.3.4"});
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, ReadFile(folder_ / "1.dcm", 1 << 20));
  HILUM_EXPECT_OK(OpenFile(file));
}

TEST_F(PeerTest, StoresADataSetBitForBit) {
  const Bytes sent = DataSet(Dx("1.2.3.4"));
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    const ByteView parts(sent);
    peer.Store(kDxForPresentation, "1.2.3.4", parts.first(100), /*last=*/false);
    EXPECT_TRUE(peer.More(parts.subspan(100), /*last=*/true));
    EXPECT_EQ(peer.Read(), kData);
    EXPECT_EQ(peer.status(), 0);
  });
  EXPECT_EQ(report.stored, 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, ReadFile(folder_ / "1.dcm", 1 << 20));
  HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile safe, OpenFile(file));
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), safe.data_set().begin(), safe.data_set().end()));
}

TEST_F(PeerTest, AnswersAnEcho) {
  const ReceiveReport report = Receive([&] {
    HILUM_EXPECT_OK(Echo({.program = options_.program,
                          .ae_title = "CT1",
                          .host = "127.0.0.1",
                          .port = port_,
                          .called = "HILUM",
                          .patience = absl::Seconds(20)}));
  });
  EXPECT_EQ(report.end, "released");
  EXPECT_EQ(report.stored, 0);
}

TEST_F(PeerTest, WithTlsOnlyThoseWhomTheAuthoritySignedAreLetIn) {
  const auto make = [&](const std::string& name) {
    const std::string base = (folder_ / name).string();
    EXPECT_EQ(Run(absl::StrCat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
                               "-nodes -days 2 -subj /CN=",
                               name, " -keyout ", base, ".key -out ", base, ".pem")),
              0);
    return base;
  };
  const std::string hospital = make("hospital");
  const std::string stranger = make("stranger");
  options_.tls = {
      .certificate = hospital + ".pem", .key = hospital + ".key", .authorities = hospital + ".pem"};
  EchoOptions echo = {.program = options_.program,
                      .ae_title = "CT1",
                      .host = "127.0.0.1",
                      .port = port_,
                      .called = "HILUM",
                      .tls = options_.tls,
                      .patience = absl::Seconds(20)};
  EXPECT_EQ(Receive([&] { HILUM_EXPECT_OK(Echo(echo)); }).end, "released");
  echo.tls.certificate = stranger + ".pem";
  echo.tls.key = stranger + ".key";
  EXPECT_EQ(Receive([&] { EXPECT_FALSE(Echo(echo).ok()); }).end, "TLS");
  echo.tls = {};  // in the clear
  EXPECT_EQ(Receive([&] { EXPECT_FALSE(Echo(echo).ok()); }).end, "TLS");
  echo.tls = {
      .certificate = stranger + ".pem", .key = hospital + ".key", .authorities = hospital + ".pem"};
  EXPECT_THAT(Echo(echo), StatusIs(StatusCode::kFailedPrecondition, "is not the key of"));
}

TEST_F(PeerTest, OtherCallersAreRejectedByName) {
  const ReceiveReport report = Receive([&] {
    EXPECT_EQ(RawScu(port_).Associate("CT2", "HILUM", kDxForPresentation, kExplicit),
              kAssociateReject);
  });
  EXPECT_EQ(report.caller, "CT2");
  EXPECT_EQ(report.end, "calling AE title");
}

TEST_F(PeerTest, ACallForAnotherTitleIsRejected) {
  const ReceiveReport report = Receive([&] {
    EXPECT_EQ(RawScu(port_).Associate("CT1", "OTHER", kDxForPresentation, kExplicit),
              kAssociateReject);
  });
  EXPECT_EQ(report.end, "called AE title");
}

TEST_F(PeerTest, AnUnknownObjectIsRejected) {
  const std::string ultrasound = "1.2.840.10008.5.1.4.1.1.6.1";
  const ReceiveReport report = Receive([&] {
    EXPECT_EQ(RawScu(port_).Associate("CT1", "HILUM", ultrasound, kExplicit), kAssociateReject);
  });
  EXPECT_EQ(report.end, "SOP class");
}

TEST_F(PeerTest, AnEchoToADeadPortSaysWhatToDo) {
  const EchoOptions options = {.program = options_.program,
                               .ae_title = "CT1",
                               .host = "127.0.0.1",
                               .port = 1,
                               .called = "PACS",
                               .patience = absl::Seconds(5)};
  EXPECT_THAT(Echo(options), StatusIs(StatusCode::kFailedPrecondition, "firewall"));
}

TEST_F(PeerTest, AnObjectThatTheGateRefusesCostsItselfOnly) {
  Bytes cut = DataSet(Dx("1.2.3.5"));
  cut.resize(cut.size() - 100);
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "1.2.3.5", cut);
    EXPECT_EQ(peer.Read(), kData);
    EXPECT_EQ(peer.status() & 0xF000, 0xC000);
    peer.Store(kDxForPresentation, "1.2.3.6", DataSet(Dx("1.2.3.6")));
    EXPECT_EQ(peer.Read(), kData);
    EXPECT_EQ(peer.status(), 0);
  });
  EXPECT_EQ(report.stored, 1);
  ASSERT_EQ(report.refused.size(), 1u);
  EXPECT_EQ(sink_.uids, std::vector<std::string>{"1.2.3.6"});
  EXPECT_EQ(Files(), 1);
}

TEST_F(PeerTest, AnObjectUnderAnotherNameIsRefused) {
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "9.9.9", DataSet(Dx("1.2.3.7")));
    EXPECT_EQ(peer.Read(), kData);
    EXPECT_EQ(peer.status() & 0xFF00, 0xA900);
  });
  EXPECT_EQ(report.refused, std::vector<std::string>{"MISMATCH"});
  EXPECT_EQ(Files(), 0);
}

TEST_F(PeerTest, APathInThePlaceOfAUidEndsTheAssociation) {
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "../../../../etc/evil", DataSet(Dx("1.2.3.8")));
    EXPECT_NE(peer.Read(), kData);
  });
  EXPECT_EQ(report.end, "protocol");
  EXPECT_EQ(Files(), 0);
}

TEST_F(PeerTest, AnEndlessObjectIsCutOffAndLeavesNothing) {
  options_.object_bytes = 1 << 20;
  const Bytes more(32 << 10, 'x');
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "1.2.3.9", more, /*last=*/false);
    int n = 0;
    while (n < 10'000 && peer.More(more, /*last=*/false)) ++n;
    EXPECT_LT(n, 10'000);
  });
  EXPECT_EQ(report.end, "limit");
  EXPECT_EQ(report.stored, 0);
  EXPECT_EQ(Files(), 0);
}

TEST_F(PeerTest, AnAssociationHasALimitOfBytesAndOfObjects) {
  const Bytes one = DataSet(Dx("1.2.3.4"));
  const auto twice = [&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "1.2.3.4", one);
    EXPECT_EQ(peer.Read(), kData);
    peer.Store(kDxForPresentation, "1.2.3.4", one);
    EXPECT_NE(peer.Read(), kData);
  };
  options_.association_bytes = one.size() + one.size() / 2;
  ReceiveReport report = Receive(twice);
  EXPECT_EQ(report.end, "limit");
  EXPECT_EQ(report.stored, 1);
  options_.association_bytes = 1 << 30;
  options_.objects = 1;
  report = Receive(twice);
  EXPECT_EQ(report.end, "limit");
  EXPECT_EQ(report.stored, 1);
}

TEST_F(PeerTest, WithoutRoomNothingIsAcknowledged) {
  sink_.full = true;
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "1.2.3.4", DataSet(Dx("1.2.3.4")));
    EXPECT_NE(peer.Read(), kData);
  });
  EXPECT_EQ(report.end, "no file");
  EXPECT_EQ(Files(), 0);
}

TEST_F(PeerTest, SilenceAndSlownessEndByTheClock) {
  options_.idle = absl::Seconds(1);
  ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    while (peer.Read() != 0) {
    }
  });
  EXPECT_EQ(report.end, "silent");
  // A byte now and then is no silence.
  options_.association = absl::Seconds(3);
  options_.idle = absl::Seconds(20);
  const absl::Time began = absl::Now();
  report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    peer.Store(kDxForPresentation, "1.2.3.4", Bytes(2, 0), /*last=*/false);
    while (peer.More(Bytes(2, 0), /*last=*/false)) absl::SleepFor(absl::Milliseconds(100));
  });
  EXPECT_EQ(report.end, "time");
  EXPECT_LT(absl::Now() - began, absl::Seconds(20));
  EXPECT_EQ(Files(), 0);
}

TEST_F(PeerTest, BytesThatAreNoDicomEndTheAssociation) {
  options_.idle = absl::Seconds(2);
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("\x01\x00\x7f\xff\xff\xff", 6),
        std::string("\x04\x00\x00\x00\x00\x06\xff\xff\xff\xff\x01\x03", 12)}) {
    const ReceiveReport report = Receive([&] {
      RawScu peer(port_);
      peer.Send(AsBytes(text));
      while (peer.Read() != 0) {
      }
    });
    EXPECT_EQ(report.stored, 0);
    EXPECT_NE(report.end, "released");
  }
}

TEST_F(PeerTest, StopEndsAnAssociationThatIsUnderWay) {
  const ReceiveReport report = Receive([&] {
    RawScu peer(port_);
    ASSERT_EQ(peer.Associate("CT1", "HILUM", kDxForPresentation, kExplicit), kAssociateAccept);
    stop_ = true;
    while (peer.Read() != 0) {
    }
  });
  EXPECT_EQ(report.end, "stopped");
}

}  // namespace
}  // namespace hilum::dicom
