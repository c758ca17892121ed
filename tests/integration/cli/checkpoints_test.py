"""`sextant make-checkpoint`: a folder in the published layout, whole or not at all."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402

SHAPE = support.GOLDEN / "v2" / "config.json"


class MakeCheckpointTest(support.CliTest):
    def make(self, name, *flags, shape=SHAPE):
        self.succeed("make-checkpoint", "--config", shape, "--out", self.dir / name, *flags)
        return self.dir / name

    def logits(self, model, *flags):
        return self.succeed("logits", "--model", model, "--ids", "3,1,4,1,5", *flags).out

    def test_any_shape_can_be_run_and_the_seed_decides(self):
        first = self.make("first", "--seed", 1)
        self.assertEqual(sorted(path.name for path in first.iterdir()),
                         ["config.json", "model.safetensors"])
        again = self.make("again", "--seed", 1, "--threads", 2)
        other = self.make("other", "--seed", 2)
        wanted = self.logits(first)
        self.assertEqual(self.logits(again), wanted)
        self.assertNotEqual(self.logits(other), wanted)
        values = [abs(v) for line in wanted.splitlines() for v in json.loads(line)["logits"]]
        self.assertLess(max(values), 20)
        self.assertGreater(max(values), 0.5)

    def test_every_type_of_weights_runs_in_both_precisions(self):
        for name in ("bfloat16", "float16", "float32"):
            config = json.loads(SHAPE.read_text(encoding="utf-8"))
            config.pop("dtype", None)
            config["torch_dtype"] = name
            shape = self.dir / f"{name}.json"
            shape.write_text(json.dumps(config), encoding="utf-8")
            model = self.make(name, shape=shape)
            lines = [self.logits(model, "--dtype", dtype).splitlines() for dtype in
                     ("bf16", "fp32")]
            for rounded, exact in zip(*lines):
                pairs = zip(json.loads(rounded)["logits"], json.loads(exact)["logits"])
                self.assertLess(max(abs(a - b) for a, b in pairs), 0.5, name)

    def test_shards_have_an_index_and_change_nothing(self):
        whole = self.make("whole")
        sharded = self.make("sharded", "--shard-size", "100KB")
        names = [path.name for path in sharded.iterdir()]
        self.assertGreater(len(names), 4)
        index = json.loads((sharded / "model.safetensors.index.json").read_text(encoding="utf-8"))
        self.assertEqual(set(index["weight_map"].values()) | {"config.json",
                                                              "model.safetensors.index.json"},
                         set(names))
        self.assertEqual(self.logits(sharded), self.logits(whole))

    def test_an_existing_folder_is_replaced_only_when_asked(self):
        model = self.make("model", "--seed", 1)
        words = ("make-checkpoint", "--config", SHAPE, "--seed", 2, "--out", model)
        self.fail_with("is not empty; choose another folder, or pass --force", *words)
        before = self.logits(model)
        self.succeed(*words, "--force")
        self.assertNotEqual(self.logits(model), before)
        (self.dir / "notes").mkdir()
        (self.dir / "notes" / "mine.txt").write_text("keep", encoding="utf-8")
        self.fail_with("notes", "make-checkpoint", "--config", SHAPE, "--out",
                       self.dir / "notes", "--force")

    def test_what_is_wrong_leaves_nothing_behind(self):
        words = ("make-checkpoint", "--out", self.dir / "out", "--config")
        self.fail_with("none.json: cannot be opened", *words, self.dir / "none.json")
        broken = self.dir / "broken.json"
        for text, message in (("{", "is not valid JSON"), ("{}", "broken.json"),
                              ('{"model_type":"llama"}', "model_type")):
            broken.write_text(text, encoding="utf-8")
            self.fail_with(message, *words, broken)
        self.fail_with("--shard-size", *words, SHAPE, "--shard-size", "big")
        self.fail_with("tokenizer", *words, SHAPE, "--tokenizer", self.dir / "none")

    def test_a_folder_that_cannot_be_written(self):
        words = ("make-checkpoint", "--config", SHAPE, "--out")
        self.fail_with("does not exist; create it, or choose another", *words,
                       self.dir / "none" / "model")
        self.fail_with("/dev/null", *words, "/dev/null/model")
        locked = self.dir / "locked"
        locked.mkdir()
        locked.chmod(0o500)
        self.addCleanup(locked.chmod, 0o700)
        if os.access(locked, os.W_OK):  # root may write anywhere: /proc it may not
            self.fail_with("choose a folder that you may write to", *words, "/proc/model")
        else:
            self.fail_with("choose a folder that you may write to", *words, locked / "model")

    def test_an_interrupt_leaves_nothing_behind(self):
        config = json.loads(SHAPE.read_text(encoding="utf-8"))
        config.update(intermediate_size=400000, num_hidden_layers=2, first_k_dense_replace=2)
        shape = self.dir / "large.json"
        shape.write_text(json.dumps(config), encoding="utf-8")
        before = self.files()
        for number in (signal.SIGINT, signal.SIGTERM):
            run = subprocess.Popen([self.sextant, "make-checkpoint", "--config", str(shape),
                                    "--out", str(self.dir / "out"), "--threads", "1"],
                                   stderr=subprocess.PIPE)
            while run.poll() is None and self.files() == before:
                time.sleep(0.002)
            run.send_signal(number)
            error = run.communicate(timeout=support.TIMEOUT_S)[1]
            self.assertNotEqual(run.returncode, 0, "it ended before the interrupt")
            self.assertEqual(error.count(b"\n"), 1, error)
            self.assertEqual(self.files(), before)


if __name__ == "__main__":
    support.main()
