#include "cli/site_sources.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/address.h"

namespace hilum::cli {
namespace {

using client::SelectionRules;

std::string List(const std::vector<std::string>& values) {
  return absl::StrCat("[",
                      absl::StrJoin(values, ", ",
                                    [](std::string* out, const std::string& value) {
                                      absl::StrAppend(out, "\"", value, "\"");
                                    }),
                      "]");
}

// Terms of DICOM's VR CS: what a search may ask for.
void Terms(TomlReader& reader, const char* key, std::vector<std::string>& values) {
  reader.Texts(key, values);
  for (const std::string& value : values) {
    const bool good =
        !value.empty() && value.size() <= 16 && std::all_of(value.begin(), value.end(), [](char c) {
          return absl::ascii_isupper(static_cast<unsigned char>(c)) ||
                 absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_' || c == ' ';
        });
    if (!good) {
      reader.Refuse(key, "a term has 1 to 16 capital letters, digits, spaces or '_'");
    }
  }
}

// "2024-01-31" -> "20240131".
void Date(TomlReader& reader, const char* key, std::string& value) {
  std::string text;
  reader.Text(key, text);
  if (text.empty()) return;
  const std::string digits =
      absl::StrCat(text.substr(0, 4), text.size() < 8 ? "" : text.substr(5, 2),
                   text.size() < 10 ? "" : text.substr(8));
  const bool good = text.size() == 10 && text[4] == '-' && text[7] == '-' && digits.size() == 8 &&
                    std::all_of(digits.begin(), digits.end(), [](char c) {
                      return absl::ascii_isdigit(static_cast<unsigned char>(c));
                    });
  if (!good) return reader.Refuse(key, "a date is written YYYY-MM-DD");
  value = digits;
}

void Bound(TomlReader& reader, const char* key, std::optional<double>& value) {
  if (!reader.Has(key)) return;
  double bound = 0;
  reader.Real(key, bound, {.min = 0, .max = 1000});
  value = bound;
}

}  // namespace

void ReadSources(TomlReader& reader, client::SourceOptions& options) {
  client::ScpOptions& scp = options.scp;
  reader.Section("scp");
  reader.Text("listen", scp.listen);
  if (const absl::Status address = CheckAddress("it", scp.listen, 0); !address.ok()) {
    reader.Refuse("listen", address.message());
  }
  reader.Text("ae_title", scp.ae_title);
  reader.Texts("callers", scp.callers);
  reader.Texts("peers", scp.peers);
  reader.Text("tls_certificate", scp.tls_certificate);
  reader.Text("tls_key", scp.tls_key);
  reader.Text("tls_ca", scp.tls_ca);
  reader.Text("pacs", scp.pacs);
  reader.Integer("associations", scp.associations, 1, 64);
  client::DicomwebOptions& web = options.dicomweb;
  reader.Section("dicomweb");
  reader.Text("url", web.url);
  reader.Text("ca", web.ca);
  reader.Text("user", web.user);
  reader.Text("password_file", web.password_file);
  reader.Text("token_file", web.token_file);
}

std::string PrintSources(const client::SourceOptions& options) {
  const client::ScpOptions& scp = options.scp;
  const client::DicomwebOptions& web = options.dicomweb;
  return absl::StrCat("\n[scp]\nlisten = \"", scp.listen, "\"\nae_title = \"", scp.ae_title,
                      "\"\ncallers = ", List(scp.callers), "\npeers = ", List(scp.peers),
                      "\ntls_certificate = \"", scp.tls_certificate, "\"\ntls_key = \"",
                      scp.tls_key, "\"\ntls_ca = \"", scp.tls_ca, "\"\npacs = \"", scp.pacs,
                      "\"\nassociations = ", scp.associations, "\n\n[dicomweb]\nurl = \"", web.url,
                      "\"\nca = \"", web.ca, "\"\nuser = \"", web.user, "\"\npassword_file = \"",
                      web.password_file, "\"\ntoken_file = \"", web.token_file, "\"\n");
}

nlohmann::ordered_json ScpJson(const client::ScpOptions& scp) {
  return {{"listen", scp.listen},
          {"ae_title", scp.ae_title},
          {"callers", scp.callers},
          {"peers", scp.peers},
          {"tls_certificate", scp.tls_certificate},
          {"tls_key", scp.tls_key},
          {"tls_ca", scp.tls_ca},
          {"pacs", scp.pacs},
          {"associations", scp.associations}};
}

nlohmann::ordered_json DicomwebJson(const client::DicomwebOptions& dicomweb) {
  return {{"url", dicomweb.url},
          {"ca", dicomweb.ca},
          {"user", dicomweb.user},
          {"password_file", dicomweb.password_file},
          {"token_file", dicomweb.token_file}};
}

absl::StatusOr<SelectionRules> ParseRules(const std::string& file, const std::string& text) {
  HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Parse(file, text));
  SelectionRules rules;
  rules.modalities = {"CR", "DX"};
  reader.Section("");
  Terms(reader, "modalities", rules.modalities);
  Terms(reader, "body_parts", rules.body_parts);
  reader.Bool("body_part_unknown", rules.body_part_unknown);
  Terms(reader, "views", rules.views);
  reader.Bool("view_unknown", rules.view_unknown);
  reader.Texts("orientations", rules.orientations);
  for (const std::string& orientation : rules.orientations) {
    if (orientation != "axial" && orientation != "coronal" && orientation != "sagittal" &&
        orientation != "oblique") {
      reader.Refuse("orientations", "one is axial, coronal, sagittal or oblique");
    }
  }
  Bound(reader, "min_thickness_mm", rules.min_thickness_mm);
  Bound(reader, "max_thickness_mm", rules.max_thickness_mm);
  if (rules.max_thickness_mm.value_or(1000) < rules.min_thickness_mm.value_or(0)) {
    reader.Refuse("max_thickness_mm", "it is below min_thickness_mm");
  }
  reader.Integer("min_images", rules.min_images, 1, 10'000);
  reader.Integer("max_images", rules.max_images, 1, 10'000);
  if (rules.max_images < rules.min_images) reader.Refuse("max_images", "it is below min_images");
  Date(reader, "from", rules.from);
  Date(reader, "to", rules.to);
  if (!rules.to.empty() && rules.to < rules.from) reader.Refuse("to", "it is before from");
  HILUM_RETURN_IF_ERROR(reader.Finish());
  return rules;
}

absl::StatusOr<SelectionRules> ReadRules(const fs::path& file) {
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file, kTomlLimitBytes));
  return ParseRules(file.string(), text);
}

}  // namespace hilum::cli
