// The system's gRPC is built without ThreadSanitizer, which cannot see that it orders a call's
// start before its reactions, and these one after the other. So what its headers do is passed over,
// and that reactors are made on other threads than they react on; what they do with their members
// is checked.
extern "C" const char* __tsan_default_suppressions();  // NOLINT: the sanitizer's name

extern "C" const char* __tsan_default_suppressions() {  // NOLINT
  return "race_top:grpc::\n"
         "race_top:^std::\n"
         "race_top:^malloc\n"
         "race_top:^operator\n"
         "race_top:sextant::AttendReactor::AttendReactor\n"
         "race_top:sextant::IdCall::IdCall\n"
         "race_top:sextant::RankStream::RankStream\n";
}
