// The one document of a YAML text.
#pragma once

#include <string>

#include "yaml-cpp/yaml.h"

namespace sextant {

// A null node when the text holds no document, only comments.
// Throws: YAML::Exception, with the place in the text, for what is no YAML and for anything after
//         the first document.
[[nodiscard]] YAML::Node LoadYamlDocument(const std::string& text);

}  // namespace sextant
