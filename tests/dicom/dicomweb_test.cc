#include "dicom/dicomweb.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "httplib.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

// A PACS that answers as a test wants. tests/client/pacs_test.cc has a real one.
class DicomwebTest : public testing::Test {
 protected:
  void Serve() {
    const int port = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    url_ = absl::StrCat("http://127.0.0.1:", port, "/pacs/");
    HILUM_ASSERT_OK_AND_ASSIGN(
        pacs_, Dicomweb::Create({.url = url_,
                                 .authorization = BasicAuthorization("me", "secret"),
                                 .patience = absl::Seconds(20)}));
  }
  ~DicomwebTest() override {
    pacs_.reset();
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  // The answer to each request below /pacs/.
  void Always(int status, const std::string& body, const std::string& type) {
    const auto answer = [=](const httplib::Request&, httplib::Response& response) {
      response.status = status;
      response.set_content(body, type);
    };
    server_.Get("/pacs/.*", answer);
    server_.Post("/pacs/.*", answer);
    Serve();
  }
  absl::Status Retrieve(std::string* object) {
    return pacs_->Retrieve("1.1", "1.2", "1.3", [&](absl::string_view bytes) {
      object->append(bytes.data(), bytes.size());
      return absl::OkStatus();
    });
  }

  httplib::Server server_;
  std::thread thread_;
  std::string url_;
  std::unique_ptr<Dicomweb> pacs_;
};

std::string Series(int n) {
  return absl::StrCat(R"({"0020000E":{"vr":"UI","Value":["1.2.)", n, R"("]}})");
}

TEST_F(DicomwebTest, ASearchGoesThroughAllPages) {
  std::atomic<int> n_requests = 0;
  server_.Get("/pacs/series", [&](const httplib::Request& request, httplib::Response& response) {
    ++n_requests;
    EXPECT_EQ(request.get_param_value("Modality"), "CR");
    EXPECT_EQ(request.get_header_value("Authorization"), "Basic bWU6c2VjcmV0");
    const int offset = std::stoi(request.get_param_value("offset"));
    const int limit = std::stoi(request.get_param_value("limit"));
    std::vector<std::string> page;
    for (int i = offset; i < std::min(offset + limit, 250); ++i) page.push_back(Series(i));
    response.set_content(absl::StrCat("[", absl::StrJoin(page, ","), "]"),
                         "application/dicom+json");
  });
  Serve();
  int n = 0;
  HILUM_ASSERT_OK(pacs_->SearchSeries({{"Modality", "CR"}}, [&](const JsonAttributes& series) {
    EXPECT_EQ(FirstOf(series, "0020000E"), absl::StrCat("1.2.", n++));
    return absl::OkStatus();
  }));
  EXPECT_EQ(n, 250);
  EXPECT_EQ(n_requests, 3);
}

TEST_F(DicomwebTest, AServerThatKnowsNoPagesIsAskedTwiceAtMost) {
  std::vector<std::string> all;
  for (int i = 0; i < 150; ++i) all.push_back(Series(i));
  std::atomic<int> n_requests = 0;
  server_.Get("/pacs/series", [&](const httplib::Request&, httplib::Response& response) {
    ++n_requests;
    response.set_content(absl::StrCat("[", absl::StrJoin(all, ","), "]"), "application/dicom+json");
  });
  Serve();
  int n = 0;
  HILUM_ASSERT_OK(pacs_->SearchSeries({}, [&](const JsonAttributes&) {
    ++n;
    return absl::OkStatus();
  }));
  EXPECT_EQ(n, 150);
  EXPECT_EQ(n_requests, 2);
}

TEST_F(DicomwebTest, NothingThatMatchesIsNoFault) {
  Always(204, "", "text/plain");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<JsonAttributes> series, pacs_->FirstSeries({}, 1));
  EXPECT_TRUE(series.empty());
}

TEST_F(DicomwebTest, EachStatusOfHttpSaysWhatToDo) {
  std::atomic<int> status = 0;
  server_.Get("/pacs/.*", [&](const httplib::Request&, httplib::Response& response) {
    response.status = status;
  });
  Serve();
  struct Case {
    int status;
    StatusCode code;
    const char* advice;
  };
  const Case cases[] = {{401, StatusCode::kUnauthenticated, "[dicomweb]"},
                        {403, StatusCode::kPermissionDenied, "administrator"},
                        {404, StatusCode::kNotFound, "/dicom-web"},
                        {302, StatusCode::kFailedPrecondition, "it sends elsewhere"},
                        {400, StatusCode::kFailedPrecondition, "speak DICOMweb"},
                        {500, StatusCode::kInternal, "its own log"},
                        {503, StatusCode::kUnavailable, "later"}};
  for (const Case& c : cases) {
    status = c.status;
    EXPECT_THAT(pacs_->FirstSeries({}, 1), StatusIs(c.code, c.advice)) << c.status;
  }
}

TEST_F(DicomwebTest, RetrievesOneObject) {
  server_.Get("/pacs/studies/1.1/series/1.2/instances/1.3", [](const httplib::Request& request,
                                                               httplib::Response& response) {
    EXPECT_TRUE(absl::StrContains(request.get_header_value("Accept"), "transfer-syntax=*"));
    response.set_content("--x\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--x--",
                         "multipart/related; boundary=x");
  });
  Serve();
  std::string object;
  HILUM_ASSERT_OK(Retrieve(&object));
  EXPECT_EQ(object, "DICM");
}

TEST_F(DicomwebTest, TwoObjectsInThePlaceOfOneAreRefused) {
  Always(200, "--x\r\n\r\nDICM\r\n--x\r\n\r\nDICM\r\n--x--", "multipart/related; boundary=x");
  std::string object;
  EXPECT_THAT(Retrieve(&object), StatusIs(StatusCode::kDataLoss, "more than the object"));
}

TEST_F(DicomwebTest, AnObjectThatIsCutOffIsRefused) {
  Always(200, "--x\r\n\r\nDICM\r\n--", "multipart/related; boundary=x");
  std::string object;
  EXPECT_THAT(Retrieve(&object), StatusIs(StatusCode::kDataLoss, "ended before"));
}

TEST_F(DicomwebTest, AnObjectThatIsNoMultipartIsRefused) {
  Always(200, "DICM", "application/dicom");
  std::string object;
  EXPECT_THAT(Retrieve(&object), StatusIs(StatusCode::kInvalidArgument, "multipart/related"));
  EXPECT_EQ(object, "");
}

TEST_F(DicomwebTest, WhatIsNoUidNeverBecomesPartOfAUrl) {
  Always(200, "[]", "application/dicom+json");
  EXPECT_THAT(pacs_->Metadata("1.1", "../../secret"),
              StatusIs(StatusCode::kInvalidArgument, "no UID"));
  EXPECT_THAT(pacs_->Retrieve("1.1", "1.2", "", [](absl::string_view) { return absl::OkStatus(); }),
              StatusIs(StatusCode::kInvalidArgument, "no UID"));
}

TEST_F(DicomwebTest, AnObjectThatWasNotStoredIsAnErrorWithItsReason) {
  Always(409, R"({"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[272]}}]}})",
         "application/dicom+json");
  EXPECT_THAT(pacs_->Store(AsBytes("DICM")), StatusIs(StatusCode::kFailedPrecondition, "0110"));
}

TEST_F(DicomwebTest, AnObjectThatHoldsTheBoundaryArrivesWhole) {
  std::string body, type;
  server_.Post("/pacs/studies", [&](const httplib::Request& request, httplib::Response& response) {
    body = request.body;
    type = request.get_header_value("Content-Type");
    response.set_content(
        R"({"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]}})",
        "application/dicom+json");
  });
  Serve();
  const std::string object = "DICM\r\n--hilum-store-part--\r\n";
  HILUM_ASSERT_OK(pacs_->Store(AsBytes(object)));
  const std::string boundary = type.substr(type.find("boundary=") + 9);
  EXPECT_FALSE(absl::StrContains(object, boundary));
  EXPECT_TRUE(absl::StrContains(body, object + "\r\n--" + boundary + "--"));
}

TEST(Dicomweb, PatientsDataNeverGoInTheClearToAnotherComputer) {
  for (const char* url : {"http://pacs.example/dicom-web", "http://10.0.0.1:8042/dicom-web",
                          "http://127.0.0.1.example/dicom-web"}) {
    EXPECT_THAT(Dicomweb::Create({.url = url}), StatusIs(StatusCode::kInvalidArgument, "clear"))
        << url;
  }
  for (const char* url : {"http://127.0.0.1:8042/dicom-web", "http://localhost/",
                          "https://pacs.example/dicom-web", "https://pacs.example:8443"}) {
    HILUM_EXPECT_OK(Dicomweb::Create({.url = url})) << url;
  }
}

TEST(Dicomweb, UrlsOfAnotherFormAreRefused) {
  for (const char* url : {"", "pacs", "ftp://pacs/x", "https://user:secret@pacs/x",
                          "https://pacs/x?y=1", "https:///x"}) {
    EXPECT_THAT(Dicomweb::Create({.url = url}), StatusIs(StatusCode::kInvalidArgument, "")) << url;
  }
}

}  // namespace
}  // namespace hilum::dicom
