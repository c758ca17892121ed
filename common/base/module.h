// A part of the program that is a library of its own and is loaded when it is wanted, so that the
// program starts where that part's libraries are missing.
//
// A module lies beside the program (build/bin), or where its environment variable says.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace sextant {

struct ModuleName {
  const char* file;      // "sextant_cuda.so"
  const char* variable;  // of the environment: "SEXTANT_CUDA_MODULE"
  const char* what;      // "Sextant's CUDA module"
  const char* missing;   // "this build has no CUDA"
  const char* useless;   // how other errors begin: "no GPU can be used"
};

struct ModuleEntry {
  std::string path;
  void* function = nullptr;  // for as long as the process lives
};

// Finds a function of a module, which stays loaded.
// Errors:    NotFound where there is no such file; FailedPrecondition where it cannot be loaded, in
//            the words of the dynamic linker, which name a library that it lacks, or has no such
//            function. Both are for a person at a terminal.
// Threads:   any.
[[nodiscard]] absl::StatusOr<ModuleEntry> FindInModule(const ModuleName& module,
                                                       const char* function);

}  // namespace sextant
