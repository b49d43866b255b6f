// The attacks of docs/secure_aggregation.md, section 11, under the names that it gives. The
// attacker has the server's key, and the keys of colluding members where a test says so.
#include <set>

#include "crypto/random.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/tags.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kFalse = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kWrongState = absl::StatusCode::kFailedPrecondition;

// Signs `member`'s changed advertisement with the member's own key: a colluding member.
void SignAdvertisement(const Federation& federation, KeyListEntry& entry) {
  entry.advertisement.signature =
      federation.context->Sign(federation.keys[entry.index], crypto::kLabelR0Key, entry.index,
                               AdvertisementFields(entry.advertisement));
}

TEST(Attacks, SwappedPublicKeyAbortsEverySite) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kKeyList);
  // The server's own key pair under member 2's name: for all the others ...
  const Bytes swapped = federation.ForgeKeyList([](KeyList& list) {
    list.entries[2].advertisement.mask_key = crypto::AgreementKeyOf(SecretKey());
  });
  // ... and a stranger who signs for a member that did not come.
  const Bytes added = federation.ForgeKeyList([&](KeyList& list) {
    KeyListEntry entry = list.entries[1];
    entry.index = 5;
    list.entries.push_back(entry);
  });
  for (auto& [i, site] : federation.advertised) {
    EXPECT_THAT(std::move(site).TakeKeyList(i % 2 == 0 ? swapped : added),
                StatusIs(kFalse, i % 2 == 0 ? "not signed by member 2" : "is of member 5"));
  }
}

TEST(Attacks, OwnKeyChangedAborts) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kKeyList);
  // Even a key that the site's own entry key signed, as a second process of it might.
  const Bytes forged = federation.ForgeKeyList([&](KeyList& list) {
    list.entries[2].advertisement.mask_key = crypto::AgreementKeyOf(SecretKey());
    SignAdvertisement(federation, list.entries[2]);
  });
  EXPECT_THAT(std::move(federation.advertised.at(2)).TakeKeyList(forged),
              StatusIs(kFalse, "does not have this site's keys as it sent them"));
}

TEST(Attacks, DuplicateKeyAborts) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kKeyList);
  // Colluding member 3 takes the keys of member 1, so that masks between 1 and 3 are shared.
  const Bytes forged = federation.ForgeKeyList([&](KeyList& list) {
    list.entries[3].advertisement.mask_key = list.entries[1].advertisement.mask_key;
    SignAdvertisement(federation, list.entries[3]);
  });
  for (const uint16_t i : {0, 1, 4}) {
    EXPECT_THAT(std::move(federation.advertised.at(i)).TakeKeyList(forged),
                StatusIs(kFalse, "member 3 advertises a key that is in the list already"));
  }
  // An honest server does not let such a key into its list.
  Federation honest(MaskedRound(5, 10));
  honest.SitesAdvertise();
  HILUM_ASSERT_OK(honest.advertising->Take(honest.adverts.at(1)));
  KeyListEntry copy{
      .index = 3,
      .advertisement =
          DecodeKeyAdvertisement(BodyOf(*honest.context, honest.adverts.at(1))).value()};
  SignAdvertisement(honest, copy);
  EXPECT_THAT(honest.advertising->Take(Frame(*honest.context, 3, Encode(copy.advertisement))),
              StatusIs(absl::StatusCode::kAlreadyExists, "advertises a key of member 1"));
}

TEST(Attacks, MissingRevealVoidsAttempt) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kKeyList);
  federation.SitesReveal();
  federation.reveals.erase(4);
  for (const auto& [i, message] : federation.reveals) {
    HILUM_ASSERT_OK(federation.revealing->Take(message));
  }
  EXPECT_THAT(std::move(*federation.revealing).Close(),
              StatusIs(absl::StatusCode::kAborted, "no reveal of member 4"));
  // A server that goes on without the late reveal is refused by every site.
  Federation split(MaskedRound(6, 10));
  split.RunTo(Federation::kU1);
  U1 u1 = DecodeU1(BodyOf(*split.context, split.u1)).value();
  u1.entries.erase(u1.entries.begin() + 4);
  const Bytes forged = Frame(*split.context, crypto::kServerSender, Encode(u1));
  EXPECT_THAT(std::move(split.revealed.at(0)).TakeU1(forged),
              StatusIs(kFalse, "U1 is not the members of the key list"));
}

TEST(Attacks, ARevealOpensItsCommitmentOnly) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kKeyList);
  federation.SitesReveal();
  // Colluding member 2 reveals another value, once it has seen the others.
  GraphReveal reveal =
      DecodeGraphReveal(BodyOf(*federation.context, federation.reveals.at(2))).value();
  reveal.r[0] ^= 1;
  reveal.signature = federation.context->Sign(federation.keys[2], crypto::kLabelR0Reveal, 2,
                                              RevealFields(reveal.list_hash, reveal.r));
  EXPECT_THAT(federation.revealing->Take(Frame(*federation.context, 2, Encode(reveal))),
              StatusIs(kFalse, "reveal of member 2 does not open its commitment"));
  federation.ServerTakesReveals();
  U1 u1 = DecodeU1(BodyOf(*federation.context, federation.u1)).value();
  u1.entries[2].r = reveal.r;
  u1.entries[2].signature = reveal.signature;
  EXPECT_THAT(std::move(federation.revealed.at(0))
                  .TakeU1(Frame(*federation.context, crypto::kServerSender, Encode(u1))),
              StatusIs(kFalse, "reveal of member 2 does not open its commitment"));
}

TEST(Attacks, NinthAttemptRefused) {
  const RoundConfig config = MaskedRound(5, 10);
  for (uint8_t attempt = 0; attempt < kMaxAttempts; ++attempt) {
    HILUM_EXPECT_OK(Context::Create({.config = config, .attempt = attempt}));
  }
  EXPECT_THAT(Context::Create({.config = config, .attempt = 8}),
              StatusIs(kInvalid, "attempt 9 of a round was asked for; there are 8"));
}

TEST(Attacks, ThresholdOneRefused) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kU1);
  U1 u1 = DecodeU1(BodyOf(*federation.context, federation.u1)).value();
  u1.graph.t = 1;
  u1.server_signature = federation.context->Sign(
      ServerKey(), crypto::kLabelU1, crypto::kServerSender,
      HashU1(
          GraphSeed(federation.FactsAfterU1().list_hash, u1.entries, federation.config.ledger_head),
          u1.graph));
  EXPECT_THAT(std::move(federation.revealed.at(0))
                  .TakeU1(Frame(*federation.context, crypto::kServerSender, Encode(u1))),
              StatusIs(kFalse, "k = 4 and t = 1 is below the bounds"));
}

// --- R1
// -------------------------------------------------------------------------------------------

// Member 2's bundle with commitments to another polynomial: every share of it is then bad.
Bytes BundleOffItsCommitments(const Federation& federation) {
  const Context& context = *federation.context;
  ShareBundle bundle = DecodeShareBundle(BodyOf(context, federation.bundles.at(2)), 5).value();
  bundle.commitments.a[0] = crypto::MultiplyBase(Scalar::FromInteger(7));
  bundle.signature = context.Sign(federation.keys[2], crypto::kLabelR1Share, 2,
                                  BundleFields(bundle.commitments, DigestsOf(bundle.shares)));
  return Frame(context, 2, Encode(bundle));
}

TEST(Attacks, CorruptShareIsBlamed) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU1);
  federation.SitesShare();
  federation.bundles[2] = BundleOffItsCommitments(federation);
  federation.ServerTakesShares();
  federation.stage = Federation::kDeliveries;
  federation.RunTo(Federation::kU2);
  ASSERT_EQ(federation.evidence.size(), 1u);  // five complain; one complaint excludes a member
  EXPECT_EQ(federation.evidence[0].accused, 2);
  EXPECT_EQ(DecodeU2(BodyOf(*federation.context, federation.u2))->members,
            (Indices{0, 1, 3, 4, 5}));
  federation.Drop(2);
  federation.RunTo(Federation::kOpened);
  const auto words = federation.opened->total.words();
  EXPECT_EQ(std::vector<uint32_t>(words.begin(), words.end()),
            federation.PlainSum({0, 1, 3, 4, 5}));
}

// What an auditor reads of such a round, with the complaint as `change` leaves it.
class ComplaintInRecord : public ::testing::Test {
 protected:
  void SetUp() override {
    federation_.RunTo(Federation::kU1);
    federation_.SitesShare();
    federation_.bundles[2] = BundleOffItsCommitments(federation_);
    federation_.ServerTakesShares();
    federation_.stage = Federation::kDeliveries;
    federation_.RunTo(Federation::kU2);
    ASSERT_EQ(federation_.evidence.size(), 1u);
    facts_ = federation_.FactsAfterU1();
    TakeU2(DecodeU2(BodyOf(*federation_.context, federation_.u2)).value().members);
  }
  void TakeU2(const Indices& members) {
    facts_.u2 = members;
    facts_.u2_hash = HashU2(facts_.u1_hash, members);
  }
  template <class Change>
  absl::Status Check(Change change) {
    UpheldComplaint complaint = federation_.evidence[0];
    change(complaint);
    return CheckUpheld(facts_, complaint);
  }
  void SignAck(UpheldComplaint& complaint) {
    complaint.ack.signature =
        facts_.context->Sign(federation_.keys[complaint.accuser], crypto::kLabelR1Ack,
                             complaint.accuser, AckFields(complaint.ack));
  }
  Federation federation_{MaskedRound(6, 10)};
  Facts facts_;
};

TEST_F(ComplaintInRecord, IsJudgedAgainAsTheServerDid) {
  HILUM_EXPECT_OK(Check([](UpheldComplaint&) {}));
}

TEST_F(ComplaintInRecord, AboutAGoodShareIsFalse) {
  // Everything is signed by those who should, but the accused's bundle is a good one.
  Federation honest(MaskedRound(6, 10));
  honest.RunTo(Federation::kU1);
  honest.SitesShare();
  EXPECT_THAT(Check([&](UpheldComplaint& complaint) {
                complaint.bundle =
                    DecodeShareBundle(BodyOf(*honest.context, honest.bundles.at(2)), 5).value();
              }),
              StatusIs(kFalse, "is false: the share is good"));
}

TEST_F(ComplaintInRecord, WithAnotherKeyIsFalse) {
  EXPECT_THAT(Check([&](UpheldComplaint& complaint) {
                complaint.ack.complaints[0].channel_key[5] ^= 1;
                SignAck(complaint);
              }),
              StatusIs(kFalse, "shows a key that does not open the share"));
}

TEST_F(ComplaintInRecord, IsSignedByBoth) {
  EXPECT_THAT(Check([](UpheldComplaint& complaint) { complaint.bundle.signature.bytes[3] ^= 1; }),
              StatusIs(kFalse, "a share bundle"));
  EXPECT_THAT(Check([](UpheldComplaint& complaint) { complaint.ack.signature.bytes[3] ^= 1; }),
              StatusIs(kFalse, "a share acknowledgement"));
}

TEST_F(ComplaintInRecord, IsOfMembersAndAboutTheAccused) {
  EXPECT_THAT(Check([](UpheldComplaint& complaint) { complaint.accused = 6; }),
              StatusIs(kFalse, "is not of U1"));
  EXPECT_THAT(Check([&](UpheldComplaint& complaint) {
                complaint.ack.complaints.clear();
                SignAck(complaint);
              }),
              StatusIs(kFalse, "does not hold it"));
  EXPECT_THAT(Check([](UpheldComplaint& complaint) { complaint.bundle.shares.pop_back(); }),
              StatusIs(kFalse, "not for the accused's holders"));
}

TEST_F(ComplaintInRecord, ExcludesTheAccused) {
  TakeU2({0, 1, 2, 3, 4, 5});
  EXPECT_THAT(Check([](UpheldComplaint&) {}), StatusIs(kFalse, "U2 has the accused"));
}

TEST_F(ComplaintInRecord, HasOneSpelling) {
  const UpheldComplaint good = federation_.evidence[0];
  const Bytes bytes = EncodeComplaints({good});
  HILUM_ASSERT_OK_AND_ASSIGN(const auto read, DecodeComplaints(bytes, 5));
  EXPECT_EQ(read, std::vector<UpheldComplaint>{good});
  EXPECT_THAT(DecodeComplaints(EncodeComplaints({good, good}), 5),
              StatusIs(kInvalid, "not in ascending order"));
  for (size_t n = 1; n < bytes.size(); ++n) {
    EXPECT_FALSE(DecodeComplaints(ByteView(bytes).first(n), 5).ok()) << n;
  }
}

TEST(Attacks, FalseComplaintRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kDeliveries);
  federation.SitesAcknowledge();
  const Context& context = *federation.context;
  const ShareAck honest = DecodeShareAck(BodyOf(context, federation.acks.at(3))).value();
  const auto with = [&](const std::array<uint8_t, 32>& key) {
    ShareAck ack = honest;
    std::erase(ack.accepted, 1);
    ack.complaints.push_back({.index = 1, .kind = ComplaintKind::kBadShare, .channel_key = key});
    ack.signature = context.Sign(federation.keys[3], crypto::kLabelR1Ack, 3, AckFields(ack));
    return Frame(context, 3, Encode(ack));
  };
  EXPECT_THAT(federation.acknowledging->Take(with(crypto::RandomArray<32>())),
              StatusIs(kInvalid, "shows a key that does not open the share"));
  // The true channel key beside a good share.
  const Facts facts = federation.FactsAfterU1();
  SecretKey channel;
  LocalStream(context, federation.StartOptions(3).site_secret, federation.StartOptions(3).entropy.c,
              Purpose::kC)
      .Fill(channel.mutable_bytes());
  HILUM_ASSERT_OK_AND_ASSIGN(const SecretKey shared,
                             crypto::Agree(channel, facts.keys.at(1).channel_key));
  const SecretKey key = ChannelKey(
      context,
      {.shared = shared, .psk = SecretKey(), .sender = 1, .receiver = 3, .u1_hash = facts.u1_hash});
  std::array<uint8_t, 32> bytes;
  std::copy(key.bytes().begin(), key.bytes().end(), bytes.begin());
  EXPECT_THAT(federation.acknowledging->Take(with(bytes)),
              StatusIs(kInvalid, "is false: the share is good"));
}

TEST(Attacks, AComplaintThatCannotBeDecidedLeavesBothOut) {
  RoundConfig config = MaskedRound(9, 10);
  config.quorum = config.u_min = 7;
  Federation federation(config);
  federation.RunTo(Federation::kDeliveries);
  federation.SitesAcknowledge();
  ShareAck ack = DecodeShareAck(BodyOf(*federation.context, federation.acks.at(3))).value();
  std::erase(ack.accepted, 1);
  ack.complaints.push_back({.index = 1, .kind = ComplaintKind::kDoesNotOpen});
  ack.signature =
      federation.context->Sign(federation.keys[3], crypto::kLabelR1Ack, 3, AckFields(ack));
  federation.acks[3] = Frame(*federation.context, 3, Encode(ack));
  federation.ServerTakesAcks();
  EXPECT_EQ(DecodeU2(BodyOf(*federation.context, federation.u2))->members,
            (Indices{0, 2, 4, 5, 6, 7, 8}));
}

TEST(Attacks, AnAcknowledgementAnswersForEachShareOnce) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kDeliveries);
  federation.SitesAcknowledge();
  ShareAck ack = DecodeShareAck(BodyOf(*federation.context, federation.acks.at(3))).value();
  for (const bool twice : {false, true}) {
    ShareAck changed = ack;
    if (twice) {
      changed.complaints.push_back({.index = 0, .kind = ComplaintKind::kDoesNotOpen});
    } else {
      changed.accepted.pop_back();
    }
    changed.signature =
        federation.context->Sign(federation.keys[3], crypto::kLabelR1Ack, 3, AckFields(changed));
    EXPECT_THAT(federation.acknowledging->Take(Frame(*federation.context, 3, Encode(changed))),
                StatusIs(kInvalid, "does not answer for each of its 4 shares once"));
  }
}

TEST(Attacks, ASwappedCiphertextAbortsItsReceiver) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kDeliveries);
  const Context& context = *federation.context;
  ShareDelivery delivery =
      DecodeShareDelivery(BodyOf(context, federation.deliveries.at(0)), 4).value();
  std::swap(delivery.shares[0].ciphertext, delivery.shares[1].ciphertext);
  EXPECT_THAT(std::move(federation.shared.at(0))
                  .TakeDelivery(Frame(context, crypto::kServerSender, Encode(delivery))),
              StatusIs(kFalse, "is not the one that it signed"));
}

TEST(Attacks, U2WithoutASharesHolderRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU1);
  federation.Drop(5);  // sends no shares
  federation.RunTo(Federation::kU2);
  const Context& context = *federation.context;
  const Facts facts = federation.FactsAfterU1();
  const auto forge = [&](const Indices& members) {
    U2 u2{.members = members, .server_signature = {}};
    u2.server_signature = context.Sign(ServerKey(), crypto::kLabelU2, crypto::kServerSender,
                                       HashU2(facts.u1_hash, members));
    return Frame(context, crypto::kServerSender, Encode(u2));
  };
  EXPECT_THAT(std::move(federation.acknowledged.at(0)).TakeU2(forge({0, 1, 2, 3, 4, 5})),
              StatusIs(kFalse, "member 5, of which this site holds no share"));
  EXPECT_THAT(std::move(federation.acknowledged.at(1)).TakeU2(forge({0, 1, 2, 3, 4, 9})),
              StatusIs(kFalse, "member 9, which is not of U1"));
  EXPECT_THAT(std::move(federation.acknowledged.at(2)).TakeU2(forge({0, 1, 2, 3})),
              StatusIs(kFalse, "U2 has 4 members, the round needs 5"));
}

}  // namespace
}  // namespace hilum::privacy::secagg
