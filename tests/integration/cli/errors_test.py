"""What is wrong with a model's folder or a command line is said in one line."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402

LITE = support.GOLDEN / "lite"


class ModelFolderTest(support.CliTest):
    def logits(self, message, model, ids="1,2"):
        self.fail_with(message, "logits", "--model", model, "--ids", ids)

    def test_a_folder_that_is_not_there(self):
        self.logits("/nowhere: is no folder; give that of a checkpoint", "/nowhere")
        self.logits("config.json: is no folder", LITE / "config.json")

    def test_missing_files_are_named(self):
        model = self.copy_model("lite")
        (model / "model.safetensors").unlink()
        self.logits(".safetensors", model)
        (model / "config.json").unlink()
        self.logits(f"{model}/config.json: cannot be opened", model)

    def test_a_truncated_shard(self):
        for name, shard in (("lite", "model.safetensors"),
                            ("v2", "model-00002-of-000002.safetensors")):
            model = self.copy_model(name)
            data = (model / shard).read_bytes()
            for size in (len(data) - 1, len(data) // 2, 100, 7, 0):
                (model / shard).write_bytes(data[:size])
                self.logits(f"{model}/{shard}", model)

    def test_a_missing_shard(self):
        model = self.copy_model("v2")
        (model / "model-00001-of-000002.safetensors").unlink()
        self.logits("model-00001-of-000002.safetensors", model)

    def test_a_config_of_another_model(self):
        question = "do the weights and the config belong together?"
        for changes in ({"num_hidden_layers": 2}, {"num_hidden_layers": 4},
                        {"n_routed_experts": 15}, {"n_routed_experts": 17}):
            self.logits(question, self.copy_model("lite", **changes))
        for changes in ({"hidden_size": 95}, {"vocab_size": 255}, {"moe_intermediate_size": 23},
                        {"kv_lora_rank": 511}, {"n_shared_experts": 1}):
            self.logits("config.json", self.copy_model("lite", **changes))

    def test_a_config_that_cannot_be_read(self):
        self.logits("hidden_size", self.copy_model("lite", hidden_size=0))
        self.logits("hidden_size", self.copy_model("lite", hidden_size="wide"))
        self.logits("model_type", self.copy_model("lite", model_type="llama"))
        model = self.copy_model("lite")
        (model / "config.json").write_text('{"hidden_size": 96,', encoding="utf-8")
        self.logits("config.json: is not valid JSON", model)

    def test_a_generation_config_that_cannot_be_read(self):
        model = self.copy_model("lite")
        for text, message in (("{", "is not valid JSON"), ('{"top_p": 7}', "top_p")):
            (model / "generation_config.json").write_text(text, encoding="utf-8")
            self.fail_with(message, "generate", "--model", model, "--prompt-ids", "1")

    def test_a_tokenizer_that_cannot_be_read(self):
        model = self.make_text_model()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            path = model / name
            text = path.read_bytes()
            for broken in (b"", b"{", b"[]", text[:len(text) // 2]):
                path.write_bytes(broken)
                self.fail_with(name, "generate", "--model", model, "--prompt", "Hi")
            path.unlink()
            self.fail_with(name, "tokenize", "--model", model)
            path.write_bytes(text)

    def test_text_without_a_tokenizer(self):
        for flag, value in (("--prompt", "Hi"), ("--chat", "[]"), ("--prompt", "")):
            message = "has no tokenizer.json; give token ids instead of text"
            if flag == "--chat":
                message = "tokenizer.json"
            self.fail_with(message, "generate", "--model", LITE, flag, value)


class PromptTest(support.CliTest):
    def test_ids_outside_the_vocabulary(self):
        for ids, wrong in (("1,256", 256), ("-1", -1), ("0,1,2147483647", 2147483647)):
            message = f"token id {wrong}"
            self.fail_with(message, "logits", "--model", LITE, f"--ids={ids}")
            self.fail_with(message, "generate", "--model", LITE, f"--prompt-ids={ids}")

    def test_ids_that_are_none(self):
        for ids in ("x", "1,2;3", "1.5", "2147483648", "0x10"):
            self.fail_with("is no token id; give whole numbers", "logits", "--model", LITE,
                           "--ids", ids)
            self.fail_with("is no token id", "generate", "--model", LITE, "--prompt-ids", ids)
        self.fail_with("give at least one token", "logits", "--model", LITE, "--ids", "")
        self.fail_with("the prompt is empty", "generate", "--model", LITE, "--prompt-ids", "")

    def test_an_over_long_prompt(self):
        model = self.copy_model("plain", max_position_embeddings=50)
        ids = ",".join(["7"] * 51)
        self.fail_with("51 tokens do not fit the model's context of 50", "logits", "--model",
                       model, "--ids", ids)
        self.fail_with("do not fit the model's context of 50", "generate", "--model", model,
                       "--prompt-ids", ids, "-n", 1)
        self.fail_with("do not fit the model's context of 50", "generate", "--model", model,
                       "--prompt-ids", "1,2", "-n", 49)
        self.succeed("logits", "--model", model, "--last", 1, "--ids", ",".join(["7"] * 50))
        self.succeed("generate", "--model", model, "--prompt-ids", "1,2", "-n", 48,
                     "--ignore-eos")

    def test_a_prompt_beyond_the_cache(self):
        self.fail_with("do not fit the latent cache of 64 tokens; raise cache_tokens", "generate",
                       "--model", LITE, "--prompt-ids", "1,2", "-n", 100, "--cache-tokens", 64)

    def test_a_chat_that_is_none(self):
        model = self.make_text_model()
        for chat, message in (("", "the chat is not JSON"), ("hello", "the chat is not JSON"),
                              ("{}", "must be an array"), ('[{"content":"x"}]', "messages[0]"),
                              ("[5]", "messages[0]"),
                              ('[{"role":"user","content":5}]', "the chat template")):
            self.fail_with(message, "generate", "--model", model, "--chat", chat)


class CommandLineTest(support.CliTest):
    def test_what_is_no_command(self):
        self.fail_with("; see sextant --help")
        self.fail_with("; see sextant --help", "frobnicate")

    def test_flags_that_do_not_exist_lack_a_value_or_have_a_wrong_one(self):
        generate = ("generate", "--model", LITE, "--prompt-ids", "1")
        for flags in (("--bogus",), ("--seed",), ("--seed", "x"), ("-n", "many"),
                      ("--prompt", "x"), ("--top-k", "1.5")):
            self.assertEqual(
                self.fail_with("see sextant generate --help", *generate, *flags).status, 2)
        self.fail_with("see sextant generate --help", "generate", "--model", LITE)
        self.fail_with("see sextant logits --help", "logits", "--ids", "1")

    def test_values_out_of_range(self):
        generate = ("generate", "--model", LITE, "--prompt-ids", "1")
        for message, flags in (
                ("temperature is -1: must be between 0 and 100", ("--temperature", -1)),
                ("top_p", ("--top-p", 0)), ("top_k", ("--top-k", -1)), ("min_p", ("--min-p", 2)),
                ("repetition_penalty", ("--repetition-penalty", 0)),
                ("presence_penalty", ("--presence-penalty", 3)),
                ("frequency_penalty", ("--frequency-penalty", -3)),
                ("logit_bias", ("--logit-bias", "256:1")), ("not ID:BIAS", ("--logit-bias", "x")),
                ("max_tokens is 0", ("-n", 0)),
                ("--threads -1: give a number from 0 to 1024", ("--threads", -1)),
                ("--threads 5000", ("--threads", 5000)),
                ("--cache-tokens -1", ("--cache-tokens", -1)),
                ('--dtype "int8": use bf16 or fp32', ("--dtype", "int8"))):
            self.fail_with(message, *generate, *flags)
        self.fail_with("there are 2 positions", "logits", "--model", LITE, "--ids", "1,2",
                       "--last", 3)

    def test_yaml_that_cannot_be_meant_names_file_line_and_key(self):
        generate = ("generate", "--model", LITE, "--prompt-ids", "1", "--config")
        path = self.dir / "engine.yaml"
        for text, message in (
                ("engine:\n  threads: 1\n  thread: 2\n", ":3: engine.thread is not a known key"),
                ("engine:\n  dtype: int8\n", ":2: engine.dtype must be bf16 or fp32"),
                ("engine:\n  device: gpu\n", ":2: engine.device must be auto or cpu or cuda"),
                ("engine:\n  threads: lots\n", ":2: engine.threads"),
                ("engine:\n  cache_tokens: -1\n", ":2: engine.cache_tokens"),
                ("engine: [\n", "engine.yaml"), ("- 1\n", "engine.yaml")):
            path.write_text(text, encoding="utf-8")
            self.fail_with(message, *generate, path)
        self.fail_with("none.yaml: cannot be opened", *generate, self.dir / "none.yaml")

    def test_a_device_that_is_none_or_does_not_compute_so(self):
        generate = ("generate", "--model", LITE, "--prompt-ids", "1", "-n", 1)
        self.fail_with('--device: "gpu" is no device: use auto, cpu or cuda', *generate,
                       "--device", "gpu")
        self.fail_with('--device-memory: "lots" is not a size', *generate, "--device-memory",
                       "lots")
        self.fail_with("a GPU computes in bf16 alone", *generate, "--device", "cuda", "--dtype",
                       "fp32")

    def test_a_backend_that_is_none(self):
        self.fail_with('SEXTANT_BACKEND: "fast" is no backend', "logits", "--model", LITE, "--ids",
                       "1", env={"SEXTANT_BACKEND": "fast"})

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            for words in (("logits", "--model", LITE, "--ids", "1"),
                          ("generate", "--model", LITE, "--prompt-ids", "1", "-n", 1)):
                self.fail_with("standard output cannot be written", *words, stdout=full)
            self.fail_with("standard output cannot be written", "tokenize", "--model",
                           support.TOKENIZER, stdin=b"abc", stdout=full)


if __name__ == "__main__":
    support.main()
