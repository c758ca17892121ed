#include "attention_worker/program/attention_worker_program.h"

int main(int argc, char** argv) {
  return sextant::RunAsProcess("attention_worker", sextant::AttentionWorkerProgram, argc, argv);
}
