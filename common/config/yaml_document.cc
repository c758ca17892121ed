#include "common/config/yaml_document.h"

#include <sstream>

#include "yaml-cpp/eventhandler.h"

namespace sextant {
namespace {

// Takes everything and remembers where the last document began.
class DocumentStart : public YAML::EventHandler {
 public:
  [[nodiscard]] const YAML::Mark& mark() const { return mark_; }

  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark mark_;
};

}  // namespace

YAML::Node LoadYamlDocument(const std::string& text) {
  // Not YAML::LoadAll: version 0.7 never returns from it when a document begins with "," or "]"
  // (yaml-cpp pull request 1319).
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart document;
  if (!parser.HandleNextDocument(document)) return YAML::Node();
  if (parser.HandleNextDocument(document)) {
    throw YAML::ParserException(document.mark(), "only one document per file is read");
  }
  return YAML::Load(text);
}

}  // namespace sextant
