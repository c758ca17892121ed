# CUDA kernels. Every .cu file is compiled twice: by nvcc for the GPU, where SEXTANT_CUDA is on, and
# by the C++ compiler for the emulator that tests them anywhere (kernels/README.md, "CUDA").
option(SEXTANT_CUDA "Build the CUDA backend (needs nvcc; sm_80 and sm_90)" OFF)

if(SEXTANT_CUDA)
  find_program(SEXTANT_NVCC nvcc HINTS ENV CUDA_HOME PATH_SUFFIXES bin PATHS /usr/local/cuda REQUIRED)
  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${SEXTANT_NVCC})
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real)
  endif()
  if(NOT DEFINED CMAKE_CUDA_COMPILER_LAUNCHER AND DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  enable_language(CUDA)
  # CMake 3.25.1 does not know how nvcc is asked for C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_COMPILE_FEATURES cuda_std_20)
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  endif()
  find_package(CUDAToolkit REQUIRED)

  # -fmad=false is -ffp-contract=off of device code: a product is fused with a sum where fmaf says
  # so, and nowhere else.
  add_library(sextant_cuda_options INTERFACE)
  target_compile_features(sextant_cuda_options INTERFACE cuda_std_20)
  target_include_directories(sextant_cuda_options INTERFACE ${CMAKE_SOURCE_DIR})
  target_compile_options(sextant_cuda_options INTERFACE
    -fmad=false -lineinfo -Werror=all-warnings -Xptxas=-warn-spills
    -Xcompiler=-Wall,-Wextra,-Wshadow,-Werror,-ffp-contract=off)
endif()

# For the emulator and what runs on it: a fiber is switched at every shuffle, so both are optimised in
# every preset, and AddressSanitizer makes no second stack for each fiber.
set(SEXTANT_EMULATED_FLAGS -O2)
if(SEXTANT_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND SEXTANT_EMULATED_FLAGS -fsanitize-address-use-after-return=never)
endif()

# sextant_cuda_library(NAME SOURCES a.cu ...): the kernels of one folder.
function(sextant_cuda_library name)
  cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
  foreach(source ${arg_SOURCES})
    set_property(GLOBAL APPEND PROPERTY SEXTANT_CUDA_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  endforeach()
  if(SEXTANT_CUDA)
    add_library(sextant_${name} STATIC ${arg_SOURCES})
    add_library(sextant::${name} ALIAS sextant_${name})
    target_link_libraries(sextant_${name} PRIVATE sextant_cuda_options)
    set_target_properties(sextant_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  endif()
endfunction()

# sextant_device_test(NAME SOURCES ... KERNELS ... [DEPS ...] [LABELS ...]): the same tests twice, NAME_emulated_test
# on the emulator and NAME_gpu_test (label gpu) on a GPU, without those named ...OnTheEmulator.
function(sextant_device_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;KERNELS;DEPS;LABELS" ${ARGN})
  sextant_test(${name}_emulated_test SOURCES ${arg_SOURCES} LABELS ${arg_LABELS}
    DEPS ${arg_DEPS} sextant::tests_emulated_device)
  if(SEXTANT_CUDA)
    sextant_test(${name}_gpu_test SOURCES ${arg_SOURCES} LABELS gpu
      DEPS ${arg_DEPS} ${arg_KERNELS} sextant::tests_cuda_device)
    set_tests_properties(${name}_gpu_test PROPERTIES ENVIRONMENT "GTEST_FILTER=-*OnTheEmulator")
  endif()
endfunction()
