# Every library that Sextant builds on; README.md names the reason for each.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)

find_path(PCRE2_INCLUDE_DIR pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
add_library(sextant_pcre2 INTERFACE)
add_library(sextant::pcre2 ALIAS sextant_pcre2)
target_include_directories(sextant_pcre2 SYSTEM INTERFACE ${PCRE2_INCLUDE_DIR})
target_link_libraries(sextant_pcre2 INTERFACE ${PCRE2_LIBRARY})
target_compile_definitions(sextant_pcre2 INTERFACE PCRE2_CODE_UNIT_WIDTH=8)

if(SEXTANT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
