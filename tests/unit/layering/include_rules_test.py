"""Shows that include_rules.py finds what it must find, and lets pass what is allowed."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import include_rules  # noqa: E402


class IncludeRulesTest(unittest.TestCase):
    def assert_allowed(self, path, line):
        self.assertEqual(include_rules.file_problems(path, line + "\n"), [])

    def assert_forbidden(self, path, line):
        self.assertEqual(len(include_rules.file_problems(path, line + "\n")), 1, line)

    def test_kernels_stand_on_three_folders_of_common(self):
        for folder in ("base", "tensor", "device"):
            self.assert_allowed("kernels/moe/gate.h", f'#include "common/{folder}/a.h"')
        for folder in ("config", "weights", "exchange", "sampling_params"):
            self.assert_forbidden("kernels/moe/gate.h", f'#include "common/{folder}/a.h"')
        self.assert_allowed("kernels/sampling/a.h", '#include "common/sampling_params/a.h"')

    def test_a_prefix_of_a_name_is_no_folder(self):
        self.assert_forbidden("kernels/moe/gate.h", '#include "common/baseline/a.h"')

    def test_siblings_do_not_meet(self):
        siblings = ("router", "attention_worker", "expert_worker")
        for one in siblings:
            for other in siblings:
                line = f'#include "{other}/a.h"'
                if one == other:
                    self.assert_allowed(f"{one}/b.cc", line)
                else:
                    self.assert_forbidden(f"{one}/b.cc", line)

    def test_the_router_has_no_kernels(self):
        self.assert_forbidden("router/tokenizer/a.cc", '#include "kernels/linear/linear.h"')

    def test_common_does_not_look_up(self):
        for folder in ("kernels", "router", "attention_worker", "expert_worker", "cli", "tests"):
            self.assert_forbidden("common/weights/a.cc", f'#include "{folder}/a.h"')

    def test_base_includes_only_itself(self):
        self.assert_allowed("common/base/a.cc", '#include "common/base/a.h"')
        self.assert_forbidden("common/base/a.cc", '#include "common/tensor/dtype.h"')
        self.assert_forbidden("common/tensor/a.cc", '#include "common/device/stream.h"')

    def test_libraries_stay_in_their_folders(self):
        self.assert_forbidden("kernels/moe/a.cc", "#include <grpcpp/grpcpp.h>")
        self.assert_forbidden("kernels/moe/a.cc", "#include <nccl.h>")
        self.assert_forbidden("common/exchange/ranks/a.h", "#include <nccl.h>")
        self.assert_allowed("common/exchange/nccl_module/nccl_communicator.h", "#include <nccl.h>")
        self.assert_forbidden("kernels/moe/a.cc", '  #  include "yaml-cpp/yaml.h"')
        self.assert_forbidden("common/base/a.cc", "#include <gtest/gtest.h>")
        self.assert_allowed("common/config/a.cc", "#include <yaml-cpp/yaml.h>")

    def test_one_instruction_set_includes_no_inline_library(self):
        self.assert_forbidden("kernels/linear/a_avx512.cc", "#include <vector>")
        self.assert_forbidden("kernels/linear/a_avx2.cc", '#include "absl/types/span.h"')
        self.assert_allowed("kernels/linear/a_avx512.cc", "#include <immintrin.h>")
        self.assert_allowed("kernels/linear/a.cc", "#include <vector>")

    def test_device_code_stays_in_files_of_nvcc(self):
        for name in ("kernels/cuda/device.h", "kernels/cuda/reduce.cuh", "kernels/moe/a.cuh"):
            self.assert_allowed("kernels/moe/a_cuda.cu", f'#include "{name}"')
            self.assert_forbidden("kernels/moe/a_cuda.h", f'#include "{name}"')
            self.assert_forbidden("attention_worker/model/a.cc", f'#include "{name}"')
        self.assert_allowed("attention_worker/model/a.cc", '#include "kernels/cuda/launch.h"')
        emulator = '#include "kernels/cuda/emulation/block.h"'
        self.assert_allowed("kernels/cuda/device.h", emulator)
        self.assert_forbidden("kernels/cuda/reduce.cuh", emulator)
        self.assert_forbidden("kernels/moe/a_cuda.cu", emulator)
        self.assert_allowed("tests/support/device/emulated_gpu.h", emulator)
        self.assert_forbidden("tests/support/device/a.h", emulator)
        self.assert_forbidden("kernels/moe/a.cc", "#include <cuda_runtime.h>")
        self.assert_allowed("kernels/cuda_module/cuda_driver.cc", "#include <cuda_runtime_api.h>")
        self.assert_forbidden("kernels/cuda_module/cuda_backend.cc", "#include <cuda_runtime.h>")
        self.assert_allowed("kernels/cuda/launch.h", '#include "common/device/device_stream.h"')
        self.assert_forbidden("kernels/cuda/launch.h", '#include "common/base/status.h"')

    def test_includes_are_written_from_the_root(self):
        self.assert_forbidden("kernels/moe/a.cc", '#include "gate.h"')

    def test_a_new_folder_needs_a_layer(self):
        self.assert_forbidden("novelty/a.cc", "")

    def test_the_program_fails_on_a_bad_tree(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "router").mkdir()
            (root / "router" / "a.cc").write_text('#include "kernels/a.h"\n', encoding="utf-8")
            run = subprocess.run([sys.executable, include_rules.__file__, folder],
                                 capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 1)
            self.assertIn('router must not include "kernels/a.h"', run.stdout)
            self.assertIn("router: it has no README.md", run.stdout)

    def test_an_empty_tree_is_not_a_success(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(len(include_rules.tree_problems(pathlib.Path(folder))), 1)


if __name__ == "__main__":
    unittest.main()
