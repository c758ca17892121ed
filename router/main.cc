#include "router/program/router_program.h"

int main(int argc, char** argv) {
  return sextant::RunAsProcess("router", sextant::RouterProgram, argc, argv);
}
