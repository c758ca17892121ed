# Programs for machines that have nothing but glibc: of every library its archive is linked.
# Compiled code is that of the other presets; only the links differ.
option(SEXTANT_PORTABLE "Link everything but glibc statically (Linux, g++)" OFF)
if(NOT SEXTANT_PORTABLE)
  return()
endif()

set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)

# Archives need one another in circles.
string(REPLACE "<LINK_LIBRARIES>" "-Wl,--start-group <LINK_LIBRARIES> -Wl,--end-group"
       CMAKE_CXX_LINK_EXECUTABLE "${CMAKE_CXX_LINK_EXECUTABLE}")

# Debian has no archive of this one.
set(SEXTANT_PROMETHEUS_FOLDER ${CMAKE_SOURCE_DIR}/build/prometheus-cpp)
find_library(PROMETHEUS_CORE_LIBRARY libprometheus-cpp-core.a HINTS ${SEXTANT_PROMETHEUS_FOLDER})
if(NOT PROMETHEUS_CORE_LIBRARY)
  message(FATAL_ERROR "SEXTANT_PORTABLE: there is no libprometheus-cpp-core.a; "
                      "tests/gpu/build_prometheus makes one from Debian's source")
endif()

# The archive beside a shared library; `missing` in the caller grows where there is none.
function(sextant_archive_of library result)
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
  if(EXISTS ${archive})
    set(${result} ${archive} PARENT_SCOPE)
  else()
    set(missing ${missing} ${archive} PARENT_SCOPE)
    set(${result} ${library} PARENT_SCOPE)
  endif()
endfunction()

# To be called when every library has been found: those that came as targets get their archives.
# tests/gpu/check_portable sees in the programs whether any was missed.
function(sextant_link_archives)
  set(missing)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    if(NOT configurations)
      continue()
    endif()
    foreach(configuration ${configurations})
      get_target_property(library ${target} IMPORTED_LOCATION_${configuration})
      if(library MATCHES "\\.so[.0-9]*$")
        sextant_archive_of(${library} archive)
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_${configuration} ${archive})
      endif()
    endforeach()
  endforeach()
  # gRPC names it as an option of the linker.
  find_library(RE2_ARCHIVE libre2.a)
  if(RE2_ARCHIVE)
    set_target_properties(re2::re2 PROPERTIES INTERFACE_LINK_LIBRARIES ${RE2_ARCHIVE})
  else()
    list(APPEND missing libre2.a)
  endif()
  if(missing)
    list(JOIN missing "\n  " missing)
    message(FATAL_ERROR "SEXTANT_PORTABLE: these static archives are missing:\n  ${missing}")
  endif()
endfunction()
