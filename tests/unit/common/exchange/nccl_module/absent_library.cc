extern "C" int absent_function() { return 0; }
