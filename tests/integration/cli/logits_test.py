"""`sextant logits`: one JSON object a line, in full precision, as the goldens have it."""

import json
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402


class LogitsTest(support.CliTest):
    def logits(self, name, *flags):
        golden = json.loads((support.GOLDEN / name / "golden.json").read_text(encoding="utf-8"))
        ids = golden["input_ids"]
        result = self.succeed("logits", "--model", support.GOLDEN / name, "--ids",
                              ",".join(map(str, ids)), *flags)
        return golden, [json.loads(line) for line in result.out.decode().splitlines()]

    def test_every_position_is_a_line_and_agrees_with_the_golden(self):
        for name in ("lite", "v2", "plain", "half"):
            golden, lines = self.logits(name, "--dtype", "fp32")
            self.assertEqual(len(lines), 40)
            for position, (line, wanted) in enumerate(zip(lines, golden["logits_fp32"])):
                self.assertEqual(list(line), ["position", "id", "logits"])
                self.assertEqual(line["position"], position)
                self.assertEqual(line["id"], golden["input_ids"][position])
                self.assertEqual(len(line["logits"]), len(wanted))
                worst = max(abs(a - b) for a, b in zip(line["logits"], wanted))
                self.assertLessEqual(worst, 1e-4, f"{name}, position {position}")

    def test_last_prints_the_same_numbers_of_fewer_positions(self):
        for dtype in ("fp32", "bf16"):
            _, all_lines = self.logits("lite", "--dtype", dtype)
            for last in (1, 7):
                _, lines = self.logits("lite", "--dtype", dtype, "--last", last)
                self.assertEqual(lines, all_lines[-last:])

    def test_threads_change_nothing(self):
        _, one = self.logits("v2", "--threads", 1)
        for threads in (2, 3):
            self.assertEqual(self.logits("v2", "--threads", threads)[1], one)

    def test_long_prompts_keep_their_numbers_across_chunks(self):
        golden = json.loads((support.GOLDEN / "v2/golden.json").read_text(encoding="utf-8"))
        ids = ",".join(map(str, golden["long"]["input_ids"]))
        result = self.succeed("logits", "--model", support.GOLDEN / "v2", "--ids", ids, "--last",
                              4, "--dtype", "fp32", "--cache-tokens", 64)
        lines = [json.loads(line) for line in result.out.decode().splitlines()]
        self.assertEqual([line["position"] for line in lines], [596, 597, 598, 599])
        for line, wanted in zip(lines, golden["long"]["last4_logits_fp32"]):
            self.assertLessEqual(max(abs(a - b) for a, b in zip(line["logits"], wanted)), 1e-4)

    def test_numbers_give_back_the_f32_that_was_computed(self):
        # At most 9 digits name any f32; every bf16 logit must come back as one exactly.
        _, lines = self.logits("lite", "--last", 1)
        for value in lines[0]["logits"]:
            bits = struct.unpack("I", struct.pack("f", value))[0]
            self.assertEqual(bits & 0xFFFF, 0, f"{value} is no bf16")


if __name__ == "__main__":
    support.main()
