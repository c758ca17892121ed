# NCCL, which connects GPUs: for its module alone (common/exchange/nccl_module), where there is CUDA
# and NCCL is found. NCCL_HOME may name a folder that has it, such as that of the Python package
# nvidia-nccl-cu13 (site-packages/nvidia/nccl).
set(SEXTANT_NCCL OFF)
if(NOT SEXTANT_CUDA)
  return()
endif()

find_path(NCCL_INCLUDE_DIR nccl.h
  HINTS ENV NCCL_HOME PATH_SUFFIXES include PATHS ${CUDAToolkit_INCLUDE_DIRS})
# By its file, because the Python package has no libnccl.so; it is never linked statically.
find_library(NCCL_LIBRARY NAMES libnccl.so libnccl.so.2
  HINTS ENV NCCL_HOME PATH_SUFFIXES lib lib64 PATHS ${CUDAToolkit_LIBRARY_DIR} /usr/local/cuda/lib)
if(NOT NCCL_INCLUDE_DIR OR NOT NCCL_LIBRARY)
  message(STATUS "NCCL was not found (NCCL_HOME may name its folder): several GPUs cannot be used")
  return()
endif()

file(STRINGS ${NCCL_INCLUDE_DIR}/nccl.h version REGEX "#define NCCL_VERSION_CODE ")
string(REGEX MATCH "[0-9]+$" version "${version}")
if(version LESS 22700)  # ncclCommShrink
  message(STATUS "NCCL ${version} is too old, 22700 is needed: several GPUs cannot be used")
  return()
endif()
message(STATUS "Found NCCL: ${NCCL_LIBRARY} (version ${version})")

set(SEXTANT_NCCL ON)
add_library(sextant_nccl_header INTERFACE)
add_library(sextant::nccl_header ALIAS sextant_nccl_header)
target_include_directories(sextant_nccl_header SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
add_library(sextant_nccl_library INTERFACE)
add_library(sextant::nccl ALIAS sextant_nccl_library)
target_link_libraries(sextant_nccl_library INTERFACE sextant_nccl_header ${NCCL_LIBRARY})
