#include "tests/client/release.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "crypto/certificate.h"
#include "ledger_anchor/release_bundle.h"
#include "models/architecture.h"
#include "models/initial_weights.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

Bytes ModelOfRoundOne(const proto::RoundPlan& plan, int min_age_years, bool blind) {
  auto weights = models::InitialWeights(
      {.name = "covidnet-nano", .n_classes = 2, .norm = "group", .input_size = 96}, 11);
  for (const TensorSpec& tensor : plan.spec.tensors) {
    if (!blind || !absl::StartsWith(tensor.name, "head.")) continue;
    std::fill_n(weights->begin() + tensor.offset, tensor.size, 0.0f);
  }
  return proto::EncodeSafetensors(plan.spec, *weights,
                                  {{"architecture", "covidnet-nano"},
                                   {"norm", plan.model.norm},
                                   {"min_age_years", absl::StrCat(min_age_years)},
                                   {"classes", absl::StrJoin(plan.model.classes, ",")},
                                   {"profile", plan.model.profile},
                                   {"profile_digest", ToHex(plan.model.profile_digest)},
                                   {"round", "1"},
                                   {"job", plan.job},
                                   {"origin", ledger_anchor::Federation::kOrigin}})
      .value();
}

}  // namespace

void MakeRelease(Release& release, bool by_release, int min_age_years) {
  RoundSite& site = release.site;
  site.OpenRound();
  site.base = ModelOfRoundOne(site.plan, min_age_years, release.blind);
  site.CloseRound();
  size_t index = site.close_index;
  const Digest sha256 = crypto::Sha256(site.base);
  release.folder = NewFolder("release");
  const proto::ModelDescription description{.architecture = "covidnet-nano",
                                            .classes = site.plan.model.classes,
                                            .norm = "group",
                                            .profile = site.plan.model.profile,
                                            .profile_digest = site.plan.model.profile_digest,
                                            .input_size = {3, 96, 96},
                                            .n_params = site.plan.spec.n_params(),
                                            .round = 1,
                                            .job = site.plan.job,
                                            .origin = ledger_anchor::Federation::kOrigin,
                                            .sha256 = sha256,
                                            .min_age_years = min_age_years};
  const std::string policy = ledger_anchor::MakePolicyWithoutWitnesses(site.federation.LogVkey());
  WriteText(release.folder / "model.safetensors", std::string(AsText(site.base)));
  WriteText(release.folder / "model.json", proto::ModelDescriptionToJson(description));
  if (by_release) {
    release.release_key = crypto::MakeTlsKey().value();
    const std::string bundle =
        ledger_anchor::SignRelease(
            site.plan.job,
            {{"model.safetensors", sha256},
             {"model.json", crypto::Sha256(proto::ModelDescriptionToJson(description))}},
            release.release_key)
            .value();
    WriteText(release.folder / "model.sig", bundle);
    const Digest close = crypto::LeafHash(AsBytes(site.federation.texts[index]));
    ledger_anchor::Entry entry = site.federation.ReleaseDraft(close, index);
    auto& body = std::get<ledger_anchor::ModelRelease>(entry.body);
    body.objects = {.n = 1, .items = {sha256}, .annex = {}};
    body.bundle = crypto::Sha256(bundle);
    body.files =
        ledger_anchor::FilesDigest(ledger_anchor::ParseReleaseBundle(bundle).value().files);
    index = site.federation.texts.size();
    site.federation.Add(entry);
  }
  WriteText(release.folder / "round.tlog-proof", site.Proof(index));
  WriteText(release.folder / "policy", policy);
  release.pins.policy = ledger_anchor::ParsePolicy(policy).value();
  release.pins.entry_key = site.federation.ServerKey().public_key();
}

absl::StatusOr<VerifiedModel> Admit(const Release& release) {
  return LedgerGate::AdmitRelease(release.folder, release.pins, 1767000500);
}

}  // namespace hilum::client
