// A site and a real PACS: C-STORE, C-ECHO, QIDO-RS, WADO-RS and STOW-RS with Orthanc.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "client/doctor_sources.h"
#include "client/import.h"
#include "client/pacs_import.h"
#include "client/receiver.h"
#include "dicom/gate.h"
#include "tests/client/films.h"
#include "tests/client/orthanc.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

constexpr int64_t kNow = 1767225600;  // 2026-01-01

class PacsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    scp_port_ = FreePort();
    pacs_ = std::make_unique<Orthanc>(scp_port_);
    for (const auto& file : fs::directory_iterator(DemoData() / "sites/hospital-a/films")) {
      films_.push_back(file.path());
    }
    std::sort(films_.begin(), films_.end());
    ASSERT_GE(films_.size(), 6u);
    HILUM_ASSERT_OK_AND_ASSIGN(inbox_, Inbox::Open(folder_, uint64_t{1} << 30));
    options_.scp = {.listen = absl::StrCat("127.0.0.1:", scp_port_),
                    .callers = {"ORTHANC"},
                    .peers = {"127.0.0.1"},
                    .pacs = absl::StrCat("ORTHANC@127.0.0.1:", pacs_->dicom_port())};
    options_.dicomweb = {
        .url = pacs_->url(), .user = "hilum", .password_file = pacs_->password_file().string()};
    rules_.modalities = {"CR", "DX"};
  }
  absl::StatusOr<PacsReport> Fetch(PacsOptions options = {}) {
    options.rules = rules_;
    HILUM_ASSIGN_OR_RETURN(const auto client, OpenDicomweb(options_.dicomweb));
    return FetchFromPacs(*client, *inbox_, options);
  }
  ptrdiff_t InboxFiles() const {
    return std::distance(fs::directory_iterator(folder_.inbox()), fs::directory_iterator());
  }
  // The pixels of all films of a folder.
  static std::multiset<std::string> Pixels(const std::vector<fs::path>& files) {
    std::multiset<std::string> pixels;
    for (const fs::path& path : files) {
      const absl::StatusOr<Bytes> file = ReadFile(path, 64 << 20);
      if (!file.ok()) continue;
      const absl::StatusOr<dicom::SafeFile> safe = dicom::OpenFile(*file);
      EXPECT_TRUE(safe.ok()) << safe.status();
      if (!safe.ok()) continue;
      std::string one;
      for (const dicom::Extent& part : safe->report().fragments) {
        one += std::string(AsText(safe->data_set().subspan(part.offset, part.size_bytes)));
      }
      const dicom::Extent& native = safe->report().native;
      one += std::string(AsText(safe->data_set().subspan(native.offset, native.size_bytes)));
      pixels.insert(one);
    }
    return pixels;
  }
  std::vector<fs::path> Received() const {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(folder_.inbox())) files.push_back(file.path());
    return files;
  }

  const SiteFolder folder_{NewFolder("pacs-site")};
  uint16_t scp_port_ = 0;
  std::unique_ptr<Orthanc> pacs_;
  std::vector<fs::path> films_;
  std::unique_ptr<Inbox> inbox_;
  SourceOptions options_;
  SelectionRules rules_;
};

TEST_F(PacsTest, WhatIsStoredComesBackAsItWas) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto client, OpenDicomweb(options_.dicomweb));
  const std::vector<fs::path> sent(films_.begin(), films_.begin() + 4);
  for (const fs::path& film : sent) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, ReadFile(film, 64 << 20));
    HILUM_ASSERT_OK(client->Store(bytes));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport report, Fetch());
  EXPECT_EQ(report.fetched, 4u);
  EXPECT_EQ(report.known, 0u);
  EXPECT_TRUE(report.failed.empty());
  EXPECT_EQ(Pixels(Received()), Pixels(sent));
}

TEST_F(PacsTest, ASecondFetchTakesOnlyWhatIsNew) {
  for (int i = 0; i < 3; ++i) pacs_->Upload(films_[i]);
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport first, Fetch());
  EXPECT_EQ(first.fetched, 3u);
  pacs_->Upload(films_[3]);
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport second, Fetch());
  EXPECT_EQ(second.fetched, 1u);
  EXPECT_EQ(second.known, 3u);
  EXPECT_EQ(InboxFiles(), 4);
}

TEST_F(PacsTest, AnInterruptedFetchGoesOnWhereItStopped) {
  for (int i = 0; i < 4; ++i) pacs_->Upload(films_[i]);
  std::atomic<bool> cancel = false;
  EXPECT_THAT(
      Fetch({.cancel = &cancel,
             .on_progress = [&](const PacsReport& report) { cancel = report.fetched >= 2; }}),
      StatusIs(absl::StatusCode::kCancelled, "stopped after 2 objects"));
  EXPECT_EQ(InboxFiles(), 2);
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport rest, Fetch());
  EXPECT_EQ(rest.fetched, 2u);
  EXPECT_EQ(rest.known, 2u);
}

TEST_F(PacsTest, ADryRunFetchesNothing) {
  pacs_->Upload(films_[0]);
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport report, Fetch({.dry_run = true}));
  EXPECT_EQ(report.selected, 1u);
  EXPECT_EQ(report.fetched, 0u);
  EXPECT_EQ(InboxFiles(), 0);
}

TEST_F(PacsTest, RulesLeaveOutSeries) {
  pacs_->Upload(films_[0]);
  rules_.modalities = {"CT"};
  HILUM_ASSERT_OK_AND_ASSIGN(PacsReport report, Fetch());
  EXPECT_EQ(report.series, 0u);
  rules_.modalities = {"CR", "DX"};
  rules_.min_images = 2;
  HILUM_ASSERT_OK_AND_ASSIGN(report, Fetch());
  EXPECT_EQ(report.series, 1u);
  EXPECT_EQ(report.selected, 0u);
  EXPECT_EQ(report.left_out.size(), 1u);
}

TEST_F(PacsTest, MoreSeriesThanAPageAreAllFound) {
  // Copies of a film with UIDs of their own, made by Orthanc.
  const std::string id = pacs_->Upload(films_[0]);
  constexpr int kCopies = 2 * dicom::Dicomweb::kPage;
  for (int i = 0; i < kCopies; ++i) {
    const std::string copy = pacs_->Post(absl::StrCat("/instances/", id, "/anonymize"), "{}");
    pacs_->Post("/instances", copy);
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const PacsReport report, Fetch({.dry_run = true}));
  EXPECT_EQ(report.series, static_cast<uint64_t>(kCopies) + 1);
}

TEST_F(PacsTest, AWrongPasswordIsNamed) {
  WriteText(pacs_->password_file(), "wrong\n");
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnauthenticated, "401"));
}

TEST_F(PacsTest, TheQuotaEndsAFetch) {
  inbox_ = nullptr;
  HILUM_ASSERT_OK_AND_ASSIGN(inbox_, Inbox::Open(folder_, 1 << 10));
  pacs_->Upload(films_[0]);
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kResourceExhausted, "inbox_gib"));
  EXPECT_EQ(InboxFiles(), 0);
}

TEST_F(PacsTest, WhatThePacsSendsByCStoreIsTakenUpWithItsLabel) {
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(pacs_->Upload(films_[i]));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto receiver, Receiver::Open(*inbox_, {.scp = options_.scp,
                                                    .limits = {.program = fs::path(HILUM_BIN_DIR) /
                                                                          "hilum-dicom-peer"}}));
  std::atomic<bool> stop = false;
  std::thread receiving([&] { HILUM_EXPECT_OK(receiver->Run(stop)); });
  for (const std::string& id : ids) pacs_->Post("/modalities/hilum/store", id);
  stop = true;
  receiving.join();
  EXPECT_EQ(Pixels(Received()), Pixels(std::vector<fs::path>(films_.begin(), films_.begin() + 3)));
  // Labels by SOP Instance UID, and the consents of the hospital.
  std::string labels = "file,label\n";
  for (const std::string& id : ids) {
    const std::string uid = pacs_->Get(absl::StrCat("/instances/", id, "/content/0008-0018"));
    absl::StrAppend(&labels, uid.c_str(), ",normal\n");  // without the padding
  }
  WriteText(folder_.inbox() / "labels.csv", labels);
  fs::copy(DemoData() / "sites/hospital-a/consent", folder_.inbox() / "consent");
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder_.root / "state.sqlite"));
  ImportOptions options;
  options.source = folder_.inbox();
  options.now_s = kNow;
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report,
                             Import(*state, FilmCache(folder_.cache()), TestSecret(), options));
  EXPECT_EQ(report.accepted, 3u);
  EXPECT_EQ(report.rejected, 0u);
}

TEST_F(PacsTest, TheDoctorProbesEachSource) {
  pacs_->Upload(films_[0]);
  inbox_ = nullptr;
  const auto codes = [&] {
    std::map<std::string, absl::StatusCode> found;
    for (const ProbeResult& finding :
         DiagnoseSources(folder_, options_, SystemClock().NowSeconds())) {
      found[finding.probe] = finding.status.code();
    }
    return found;
  };
  for (const auto& [probe, code] : codes()) {
    EXPECT_EQ(code, absl::StatusCode::kOk) << probe;
  }
  EXPECT_EQ(codes().size(), 7u);  // inbox, scp, echo, qido, pacs clock, wado, codec
  options_.dicomweb.url = absl::StrReplaceAll(pacs_->url(), {{"dicom-web", "dicomweb"}});
  EXPECT_EQ(codes().at("qido"), absl::StatusCode::kNotFound);
  options_.dicomweb.url = pacs_->url();
  options_.dicomweb.user = "";
  options_.dicomweb.password_file = "";
  EXPECT_EQ(codes().at("qido"), absl::StatusCode::kUnauthenticated);
  options_.scp.pacs = "ORTHANC@127.0.0.1:1";
  EXPECT_EQ(codes().at("echo"), absl::StatusCode::kFailedPrecondition);
  options_.scp.callers.clear();
  EXPECT_EQ(codes().at("scp"), absl::StatusCode::kInvalidArgument);
  options_ = {};
  EXPECT_TRUE(codes().empty());
}

}  // namespace
}  // namespace hilum::client
