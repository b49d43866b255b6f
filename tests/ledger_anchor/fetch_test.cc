#include "ledger_anchor/fetch.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "ledger_anchor/log.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/store.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class Fetches : public ::testing::Test {
 protected:
  void SetUp() override {
    federation_.FillTo(7);
    HILUM_ASSERT_OK_AND_ASSIGN(log_, Log::Create({folder_.path() / "ledger", Federation::kOrigin},
                                                 federation_.LogKey(), federation_.texts[0]));
    HILUM_ASSERT_OK(log_->Append(std::span<const std::string>(federation_.texts).subspan(1)));
  }
  Federation federation_;
  TemporaryFolder folder_;
  std::unique_ptr<Log> log_;
};

TEST_F(Fetches, ReadAFolderOrTheStateFolderAboveIt) {
  for (const fs::path& from :
       {folder_.path(), folder_.path() / "ledger", folder_.path() / "ledger" / "log"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace place, LocateLedger(from.string()));
    HILUM_EXPECT_OK(VerifyLog(place.fetch, federation_.Pins()).status());
    EXPECT_EQ(fs::weakly_canonical(*place.served), fs::weakly_canonical(log_->served_folder()));
    EXPECT_FALSE(place.fetch_object);
  }
  EXPECT_THAT(LocateLedger((folder_.path() / "none").string()).status(),
              StatusIs(StatusCode::kNotFound, "no ledger"));
}

TEST_F(Fetches, FindTheStoreBesideTheLedger) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Store store, Store::Open(folder_.path() / "objects"));
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store.Put(AsBytes("a model")));
  for (const fs::path& from :
       {folder_.path(), folder_.path() / "ledger", folder_.path() / "ledger" / "log"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace place, LocateLedger(from.string()));
    ASSERT_TRUE(place.fetch_object) << from;
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, place.fetch_object(digest, 100));
    EXPECT_EQ(AsText(bytes), "a model");
    EXPECT_THAT(place.fetch_object(H("x"), 100), StatusIs(StatusCode::kNotFound, ""));
  }
}

// Objects of a server are believed by their hash alone.
TEST_F(Fetches, HashObjectsOfAnHttpServer) {
  const Digest good = crypto::Sha256("good");
  httplib::Server server;
  server.Get("/objects/sha256/(.*)", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("good", "application/octet-stream");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&server] { server.listen_after_bind(); });
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace place,
                             LocateLedger("http://127.0.0.1:" + std::to_string(port)));
  EXPECT_TRUE(place.fetch_object(good, 100).ok());
  EXPECT_THAT(place.fetch_object(H("other"), 100), StatusIs(StatusCode::kDataLoss, "other bytes"));
  server.stop();
  thread.join();
}

TEST_F(Fetches, ReadAnHttpServer) {
  httplib::Server server;
  server.set_mount_point("/ledger", log_->served_folder().string());
  server.Get("/large/checkpoint", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(1 << 20, 'x'), "text/plain");
  });
  server.Get("/broken/checkpoint",
             [](const httplib::Request&, httplib::Response& response) { response.status = 500; });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&server] { server.listen_after_bind(); });
  const std::string host = "http://127.0.0.1:" + std::to_string(port);
  const auto checkpoint = [&host](const std::string& prefix) -> absl::Status {
    const auto fetch = HttpFetch(host + prefix);
    return fetch.ok() ? (*fetch)("checkpoint", 1000).status() : fetch.status();
  };
  for (const char* prefix : {"/ledger", "/ledger/"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace place, LocateLedger(host + prefix));
    const Fetch& fetch = place.fetch;
    HILUM_EXPECT_OK(VerifyLog(fetch, federation_.Pins()).status());
    EXPECT_THAT(fetch("tile/0/999", 1000).status(), StatusIs(StatusCode::kNotFound, "404"));
  }
  EXPECT_THAT(checkpoint("/large"), StatusIs(StatusCode::kResourceExhausted, "1000"));
  EXPECT_THAT(checkpoint("/broken"), StatusIs(StatusCode::kUnavailable, "500"));
  server.stop();
  thread.join();
  EXPECT_THAT(checkpoint("/ledger"),
              StatusIs(StatusCode::kUnavailable, "checkpoint could not be reached in "));
  EXPECT_THAT(checkpoint("/ledger"),
              StatusIs(StatusCode::kUnavailable, " s: nothing listens there"));
}

// A folder that `hilum ledger export` made, served as it lies.
TEST_F(Fetches, ReadAServedExport) {
  const fs::path out = folder_.path() / "export";
  fs::create_directories(out);
  fs::copy(log_->served_folder(), out / "log", fs::copy_options::recursive);
  HILUM_ASSERT_OK_AND_ASSIGN(const Store store, Store::Open(out / "objects"));
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store.Put(AsBytes("a model")));
  httplib::Server server;
  server.set_mount_point("/", out.string());
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&server] { server.listen_after_bind(); });
  const std::string host = "http://127.0.0.1:" + std::to_string(port);
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace place, LocateLedger(host));
  HILUM_EXPECT_OK(VerifyLog(place.fetch, federation_.Pins()).status());
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, place.fetch_object(digest, 100));
  EXPECT_EQ(AsText(bytes), "a model");
  EXPECT_THAT(place.fetch_object(digest, 3), StatusIs(StatusCode::kResourceExhausted, "3 bytes"));
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(1000, 'x'), "text/html");  // says more than the limit
  });
  EXPECT_THAT(place.fetch_object(H("x"), 3), StatusIs(StatusCode::kNotFound, "answered 404"));
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerPlace nothing, LocateLedger(host + "/objects"));
  EXPECT_THAT(nothing.fetch("checkpoint", 1000).status(),
              StatusIs(StatusCode::kNotFound, "/objects/checkpoint answered 404"));
  server.stop();
  thread.join();
}

TEST(HttpFetch, RefusesOtherUrls) {
  for (const char* url : {"ftp://host/", "http://", "https://", "http://a b/", "http://u:p@host/",
                          "http://host/?q", "http://host/#f", "file:///etc/passwd"}) {
    EXPECT_THAT(LocateLedger(url).status(), StatusIs(StatusCode::kInvalidArgument, "http")) << url;
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor
