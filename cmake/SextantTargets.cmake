# One target per folder: sextant_library(common_base ...) makes sextant::common_base.
# All flags live on the interface targets below; nothing is global.
add_library(sextant_options INTERFACE)
target_compile_features(sextant_options INTERFACE cxx_std_20)
target_include_directories(sextant_options INTERFACE ${CMAKE_SOURCE_DIR})
# Contraction is off so that a row's bits depend on the written arithmetic, not on the optimiser.
target_compile_options(sextant_options INTERFACE -ffp-contract=off)
if(SEXTANT_SANITIZE)
  target_compile_options(sextant_options INTERFACE
    -fsanitize=${SEXTANT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(sextant_options INTERFACE -fsanitize=${SEXTANT_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_compile_options(sextant_options INTERFACE
      -fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/cmake/sanitizer-ignorelist.txt)
  endif()
endif()
if(SEXTANT_PORTABLE)
  target_link_options(sextant_options INTERFACE
    -static-libstdc++ -static-libgcc -Wl,--gc-sections)
endif()
if(SEXTANT_BUILD_FUZZERS)
  # The libraries report their branches, else a fuzzer would see only its own file.
  target_compile_options(sextant_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

add_library(sextant_warnings INTERFACE)
target_compile_options(sextant_warnings INTERFACE
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(sextant_warnings INTERFACE -Wthread-safety)
endif()

# Tests and programs call what is slow and are not slow themselves, so that sanitized builds leave
# them unoptimised: compiling them takes half as long, and they are half of all there is.
function(sextant_compile_quickly target)
  if(SEXTANT_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# sextant_library(NAME SOURCES ... [DEPS ...])
function(sextant_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(sextant_${name} STATIC ${arg_SOURCES})
  add_library(sextant::${name} ALIAS sextant_${name})
  target_link_libraries(sextant_${name} PUBLIC sextant_options ${arg_DEPS}
                                        PRIVATE sextant_warnings)
endfunction()

# sextant_digest_of(RESULT HEADER...): characters that change with any of these headers.
function(sextant_digest_of result)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(digests "")
  foreach(header ${ARGN})
    file(SHA256 ${header} digest)
    string(APPEND digests ${digest})
  endforeach()
  string(SHA256 digest "${digests}")
  string(SUBSTRING ${digest} 0 16 digest)
  set(${result} ${digest} PARENT_SCOPE)
endfunction()

# Sources for one instruction set: optimised in every preset, because a function that the
# compiler leaves out of line here may be the copy that the linker keeps for the whole program
# (kernels/README.md says what such a file may include).
set(SEXTANT_AVX2_FLAGS -mavx2 -mfma -mf16c)
set(SEXTANT_AVX512_FLAGS -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx2 -mfma -mf16c
                         -mprefer-vector-width=512)
function(sextant_isa_sources isa)
  if(isa STREQUAL "avx2")
    set(flags ${SEXTANT_AVX2_FLAGS})
  elseif(isa STREQUAL "avx512")
    set(flags ${SEXTANT_AVX512_FLAGS})
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
      # GCC 12's own AVX-512 header reads its "undefined" vectors (GCC bug 105593).
      list(APPEND flags -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
  else()
    message(FATAL_ERROR "sextant_isa_sources: unknown instruction set ${isa}")
  endif()
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${flags};-O3")
endfunction()

# A program for people, always found in build/bin. Sanitized, instrumented and portable builds keep
# theirs to themselves, so that they never replace the ones people run. All are in one folder, because
# `sextant up` starts the others from its own.
set(SEXTANT_PROGRAM_FOLDER ${CMAKE_SOURCE_DIR}/build/bin)
if(SEXTANT_SANITIZE OR SEXTANT_COVERAGE OR SEXTANT_PORTABLE)
  set(SEXTANT_PROGRAM_FOLDER ${CMAKE_BINARY_DIR}/bin)
endif()
function(sextant_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} sextant_warnings)
  sextant_compile_quickly(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${SEXTANT_PROGRAM_FOLDER})
endfunction()

# sextant_test(NAME SOURCES ... DEPS ... [LABELS ...]): a GoogleTest program, one ctest entry.
function(sextant_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest GTest::gtest_main
                                        sextant_options sextant_warnings)
  sextant_compile_quickly(${name})
  target_compile_definitions(${name} PRIVATE SEXTANT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} --gtest_output=xml:${CMAKE_BINARY_DIR}/results/${name}.xml
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# sextant_script_test(NAME SCRIPT ARGUMENT...): a Python script that fails by its exit status. It
# tests the tree and not the code, so sanitized builds leave it out.
function(sextant_script_test name script)
  if(SEXTANT_SANITIZE)
    return()
  endif()
  add_test(NAME ${name} COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

# sextant_process_test(NAME SCRIPT ARGUMENT...): a Python script that starts the programs it is given;
# those of a sanitized build as well.
function(sextant_process_test name script)
  add_test(NAME ${name} COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# sextant_fuzzer(NAME SOURCES ... DEPS ...): a libFuzzer program, clang only. Its seeds are the
# files in tests/fuzz/corpus/NAME, its words those of tests/fuzz/corpus/NAME.dict; both optional.
function(sextant_fuzzer name)
  if(NOT SEXTANT_BUILD_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  add_dependencies(fuzzers ${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} sextant_options sextant_warnings)
endfunction()
