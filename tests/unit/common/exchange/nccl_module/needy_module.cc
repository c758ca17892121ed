// A module that needs a library which is not found.
extern "C" int absent_function();
extern "C" int needs_it() { return absent_function(); }
