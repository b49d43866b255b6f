#include "cli/toml_reader.h"

#include <charconv>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include <toml++/toml.h>
#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace hilum::cli {
namespace {

constexpr size_t kShownValueBytes = 80;

// The shortest text that reads back as the number, as a person would have written it: 0.9.
std::string SpellingOfReal(double value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  std::string shortest(text, end.ptr);
  if (shortest.find_first_not_of("-0123456789") == std::string::npos) shortest += ".0";
  return shortest;
}

std::string Spelling(const toml::node& node) {
  if (node.is_floating_point()) return SpellingOfReal(node.as_floating_point()->get());
  std::ostringstream out;
  node.visit([&out](const auto& value) { out << value; });
  std::string text = out.str();
  if (text.size() > kShownValueBytes) text = text.substr(0, kShownValueBytes) + "...";
  return text;
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string AllowedReals(const RealRange& range) {
  constexpr double kUnbounded = std::numeric_limits<double>::max();
  if (range.min == -kUnbounded && range.max == kUnbounded) return "that is finite";
  std::string text = absl::StrCat(range.above_min ? "above " : "from ", range.min);
  if (range.max != kUnbounded)
    absl::StrAppend(&text, range.above_min ? " up to " : " to ", range.max);
  return text;
}

}  // namespace

struct TomlReader::Impl {
  std::string file;
  toml::table root;
  std::string section;                 // of the reads that follow
  const toml::table* table = nullptr;  // null: the file has no such section
  // Keys that were asked for, by section; for the keys nobody asked for, and their suggestions.
  std::map<std::string, std::set<std::string>> known;
  absl::Status first_error;
  bool is_missing = false;  // first_error: a key is absent

  // Notes that the key exists and finds it. Null: absent, or an error came before.
  const toml::node* Find(absl::string_view key) {
    known[section].emplace(key);
    if (!first_error.ok() || table == nullptr) return nullptr;
    return table->get(std::string(key));
  }

  std::string Where(const toml::node* node, absl::string_view section_name, absl::string_view key) {
    std::string text = file;
    if (node != nullptr) absl::StrAppend(&text, ":", node->source().begin.line);
    absl::StrAppend(&text, ": ");
    if (!section_name.empty()) absl::StrAppend(&text, "[", section_name, "] ");
    absl::StrAppend(&text, key);
    return text;
  }

  void Keep(std::string sentence) {
    if (first_error.ok()) first_error = absl::InvalidArgumentError(sentence);
  }

  void Wrong(absl::string_view key, const toml::node& node, absl::string_view allowed) {
    Keep(absl::StrCat(Where(&node, section, key), " = ", Spelling(node), ", but ", allowed,
                      " is needed."));
  }

  // Reports the first key, or section, that no read asked for.
  void CheckUnknown() {
    for (const auto& [key, node] : root) {
      const std::string name(key.str());
      const auto section_keys = known.find(name);
      const bool is_section = section_keys != known.end() && !name.empty();
      if (is_section && node.is_table()) {
        CheckKeys(name, *node.as_table(), section_keys->second);
      } else if (is_section) {
        Keep(absl::StrCat(Where(&node, "", name), " must be a section: write [", name, "]."));
      } else if (known[""].count(name) == 0) {
        Keep(absl::StrCat(Where(&node, "", name), " is not a known ",
                          node.is_table() ? "section" : "key", "; known are ",
                          absl::StrJoin(Names(), ", "), "."));
      }
    }
  }

  void CheckKeys(const std::string& name, const toml::table& keys,
                 const std::set<std::string>& allowed) {
    for (const auto& [key, node] : keys) {
      if (allowed.count(std::string(key.str())) > 0) continue;
      Keep(absl::StrCat(Where(&node, name, std::string(key.str())), " is not a known key; ",
                        "known are ", absl::StrJoin(allowed, ", "), "."));
    }
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [section_name, keys] : known) {
      if (section_name.empty()) {
        names.insert(names.end(), keys.begin(), keys.end());
      } else {
        names.push_back(absl::StrCat("[", section_name, "]"));
      }
    }
    return names;
  }
};

TomlReader::TomlReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TomlReader::TomlReader(TomlReader&&) noexcept = default;
TomlReader& TomlReader::operator=(TomlReader&&) noexcept = default;
TomlReader::~TomlReader() = default;

absl::StatusOr<TomlReader> TomlReader::Open(const fs::path& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path, kTomlLimitBytes);
  if (absl::IsNotFound(text.status())) return text.status();
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  return Parse(path.string(), *text);
}

absl::StatusOr<TomlReader> TomlReader::Parse(absl::string_view file, absl::string_view text) {
  toml::parse_result result = toml::parse(std::string(text), std::string(file));
  if (!result) {
    const toml::parse_error& error = result.error();
    return absl::InvalidArgumentError(absl::StrCat(file, ":", error.source().begin.line, ": ",
                                                   std::string(error.description()), "."));
  }
  auto impl = std::make_unique<Impl>();
  impl->file = std::string(file);
  impl->root = std::move(result).table();
  impl->table = &impl->root;
  return TomlReader(std::move(impl));
}

bool TomlReader::Section(absl::string_view name) {
  impl_->section = std::string(name);
  impl_->known[impl_->section];
  impl_->table = name.empty() ? &impl_->root : impl_->root[std::string(name)].as_table();
  return impl_->table != nullptr;
}

bool TomlReader::Has(absl::string_view key) const {
  return impl_->table != nullptr && impl_->table->contains(std::string(key));
}

void TomlReader::Require(absl::string_view key) {
  if (Has(key)) return;
  if (impl_->first_error.ok()) impl_->is_missing = true;
  impl_->Keep(absl::StrCat(impl_->Where(nullptr, impl_->section, key), " is missing."));
}

void TomlReader::Text(absl::string_view key, std::string& value) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return;
  if (!node->is_string()) return impl_->Wrong(key, *node, "a text in quotes");
  value = node->as_string()->get();
}

void TomlReader::OneOf(absl::string_view key, std::string& value,
                       const std::vector<std::string>& allowed) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return;
  if (!node->is_string() || !absl::c_linear_search(allowed, node->as_string()->get())) {
    std::vector<std::string> quoted;
    for (const std::string& name : allowed) quoted.push_back(Quoted(name));
    return impl_->Wrong(key, *node, absl::StrCat("one of ", absl::StrJoin(quoted, ", ")));
  }
  value = node->as_string()->get();
}

void TomlReader::Texts(absl::string_view key, std::vector<std::string>& value) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return impl_->Wrong(key, *node, "a list of texts");
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    if (!element.is_string()) return impl_->Wrong(key, element, "a list of texts");
    texts.push_back(element.as_string()->get());
  }
  value = std::move(texts);
}

void TomlReader::Bool(absl::string_view key, bool& value) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) return impl_->Wrong(key, *node, "true or false");
  value = node->as_boolean()->get();
}

void TomlReader::Real(absl::string_view key, double& value, const RealRange& range) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return;
  const std::optional<double> read =
      node->is_number() ? node->value<double>() : std::optional<double>();
  // NaN is in no range, infinity above every maximum.
  const bool fits = read.has_value() && *read <= range.max &&
                    (range.above_min ? *read > range.min : *read >= range.min);
  if (!fits) {
    return impl_->Wrong(key, *node, absl::StrCat("a number ", AllowedReals(range)));
  }
  value = *read;
}

std::optional<int64_t> TomlReader::ReadInteger(absl::string_view key, int64_t min, int64_t max) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_integer() || node->as_integer()->get() < min || node->as_integer()->get() > max) {
    impl_->Wrong(key, *node, absl::StrCat("a whole number from ", min, " to ", max));
    return std::nullopt;
  }
  return node->as_integer()->get();
}

std::string TomlReader::Place(absl::string_view key) {
  const toml::node* node = impl_->Find(key);
  const std::string where = impl_->Where(node, impl_->section, key);
  return node == nullptr ? where : absl::StrCat(where, " = ", Spelling(*node));
}

void TomlReader::Refuse(absl::string_view key, absl::string_view reason) {
  impl_->Keep(absl::StrCat(Place(key), ": ", reason));
}

absl::Status TomlReader::Finish() {
  // A misspelt key may be the one that is missing.
  const absl::Status missing =
      impl_->is_missing ? std::exchange(impl_->first_error, absl::OkStatus()) : absl::OkStatus();
  impl_->CheckUnknown();
  return impl_->first_error.ok() ? missing : impl_->first_error;
}

}  // namespace hilum::cli
