#include "expert_worker/program/expert_worker_program.h"

int main(int argc, char** argv) {
  return sextant::RunAsProcess("expert_worker", sextant::ExpertWorkerProgram, argc, argv);
}
