#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"Sextant: expert-parallel inference of the DeepSeek-V2 family"};
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
