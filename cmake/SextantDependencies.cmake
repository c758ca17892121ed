# Every library that Sextant builds on; README.md names the reason for each.
include(SextantPortable)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED)

find_path(PCRE2_INCLUDE_DIR pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
add_library(sextant_pcre2 INTERFACE)
add_library(sextant::pcre2 ALIAS sextant_pcre2)
target_include_directories(sextant_pcre2 SYSTEM INTERFACE ${PCRE2_INCLUDE_DIR})
target_link_libraries(sextant_pcre2 INTERFACE ${PCRE2_LIBRARY})
target_compile_definitions(sextant_pcre2 INTERFACE PCRE2_CODE_UNIT_WIDTH=8)

# Its own CMake file asks for an HTTP server and for curl, which only its other libraries need.
find_path(PROMETHEUS_INCLUDE_DIR prometheus/registry.h REQUIRED)
find_library(PROMETHEUS_CORE_LIBRARY prometheus-cpp-core REQUIRED)
add_library(sextant_prometheus INTERFACE)
add_library(sextant::prometheus ALIAS sextant_prometheus)
target_include_directories(sextant_prometheus SYSTEM INTERFACE ${PROMETHEUS_INCLUDE_DIR})
target_link_libraries(sextant_prometheus INTERFACE ${PROMETHEUS_CORE_LIBRARY})

if(SEXTANT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()

if(SEXTANT_PORTABLE)
  sextant_link_archives()
endif()
