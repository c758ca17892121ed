// What every process does before anything else.
#pragma once

namespace sextant {

// Keeps freed memory of large gRPC messages instead of mapping it anew for each: glibc's defaults
// make messages of 256 KiB and more two times slower. Ignores SIGPIPE. Call it first in main().
void PrepareProcess();

}  // namespace sextant
