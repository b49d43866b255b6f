#include "dicom/peer_messages.h"

#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

TEST(PeerMessages, ATaskArrivesAsItWasSent) {
  const PeerTask task = {.kind = PeerTask::Kind::kEcho,
                         .ae_title = "HILUM",
                         .callers = {"A 1", "B"},
                         .association_bytes = uint64_t{5} << 40,
                         .object_bytes = 7,
                         .objects = 3,
                         .idle_s = 60,
                         .host = "pacs",
                         .called = "ORTHANC",
                         .port = 4242,
                         .tls = {.certificate = "a=b.pem", .key = "k", .authorities = "ca"}};
  HILUM_ASSERT_OK_AND_ASSIGN(const PeerTask same, DecodePeerTask(EncodePeerTask(task)));
  EXPECT_EQ(EncodePeerTask(same), EncodePeerTask(task));
  EXPECT_EQ(same.callers, task.callers);
  EXPECT_EQ(same.tls.certificate, "a=b.pem");
  EXPECT_TRUE(same.tls.on());
  EXPECT_THAT(DecodePeerTask("task=receive"), StatusIs(StatusCode::kInvalidArgument, "task"));
  EXPECT_THAT(DecodePeerTask(""), StatusIs(StatusCode::kInvalidArgument, "task"));
}

TEST(PeerMessages, EventsArriveAsTheyWereSent) {
  using Kind = PeerEvent::Kind;
  const PeerEvent events[] = {{Kind::kReady, ""},         {Kind::kCaller, "CT 1"},
                              {Kind::kObject, ""},        {Kind::kStored, "1.2.3"},
                              {Kind::kRefused, "LENGTH"}, {Kind::kEnd, "calling AE title"}};
  for (const PeerEvent& event : events) {
    HILUM_ASSERT_OK_AND_ASSIGN(const PeerEvent same, DecodePeerEvent(EncodePeerEvent(event)));
    EXPECT_EQ(same.kind, event.kind);
    EXPECT_EQ(same.text, event.text);
  }
}

TEST(PeerMessages, AProcessThatWasTakenOverCannotSayOtherThings) {
  for (const char* text :
       {"", "hello", "ready now", "object 1", "caller ", "caller \x1b[2J",
        "caller ABCDEFGHIJKLMNOPQ", "stored ../../etc/passwd", "stored 1..2", "stored .1", "stored",
        "refused a sentence", "refused", "end", "end of the world"}) {
    EXPECT_THAT(DecodePeerEvent(text), StatusIs(StatusCode::kInvalidArgument, "nonsense")) << text;
  }
  EXPECT_FALSE(DecodePeerEvent("stored " + std::string(65, '1')).ok());
}

}  // namespace
}  // namespace hilum::dicom
