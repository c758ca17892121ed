"""`sextant generate`: the same seed gives the same tokens, however they are asked for."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402

LITE = support.GOLDEN / "lite"


class OnePromptTest(support.CliTest):
    def ids(self, *flags, model=LITE, prompt="1,2,3"):
        result = self.succeed("generate", "--model", model, "--prompt-ids", prompt, *flags)
        return [int(word) for word in result.out.split()]

    def test_says_what_it_did(self):
        result = self.succeed("generate", "--model", LITE, "--prompt-ids", "1,2,3", "-n", 5,
                              "--seed", 9, "--ignore-eos")
        self.assertRegex(result.err, r"\A3 prompt tokens, 5 generated \(seed 9\); first token "
                                     r"after \d+ ms, then [\d.]+ tokens/s\n\Z")
        self.assertEqual(len(result.out.split()), 5)

    def test_a_seed_decides_and_threads_and_cache_do_not(self):
        flags = ("-n", 30, "--temperature", 1, "--ignore-eos", "--seed")
        wanted = self.ids(*flags, 7)
        self.assertEqual(len(wanted), 30)
        for more in (("--threads", 1), ("--threads", 3), ("--cache-tokens", 64)):
            self.assertEqual(self.ids(*flags, 7, *more), wanted)
        self.assertNotEqual(self.ids(*flags, 8), wanted)

    def test_without_a_seed_one_is_drawn_that_gives_the_same_again(self):
        flags = ("-n", 30, "--temperature", 1, "--ignore-eos")
        first = self.succeed("generate", "--model", LITE, "--prompt-ids", "1", *flags)
        seed = first.err.split("seed ")[1].split(")")[0]
        again = self.succeed("generate", "--model", LITE, "--prompt-ids", "1", *flags, "--seed",
                             seed)
        self.assertEqual(again.out, first.out)

    def test_greedy_tokens_are_those_of_the_goldens_argmax(self):
        golden = json.loads((LITE / "golden.json").read_text(encoding="utf-8"))
        for length in (1, 13, 40):
            prompt = ",".join(map(str, golden["input_ids"][:length]))
            self.assertEqual(
                self.ids("-n", 1, "--temperature", 0, "--ignore-eos", "--dtype", "fp32",
                         prompt=prompt), [golden["argmax_fp32"][length - 1]])

    def test_settings_come_from_a_file_and_flags_win(self):
        path = self.dir / "engine.yaml"
        path.write_text("engine:\n  threads: 1\n  dtype: fp32\n  cache_tokens: 64\n",
                        encoding="utf-8")
        self.fail_with("latent cache of 64 tokens", "generate", "--model", LITE, "--prompt-ids",
                       "1", "-n", 70, "--config", path)
        self.ids("-n", 70, "--ignore-eos", "--config", path, "--cache-tokens", 128)

    def test_a_bias_can_choose_or_forbid_a_token(self):
        flags = ("-n", 4, "--temperature", 0, "--ignore-eos")
        self.assertEqual(self.ids(*flags, "--logit-bias", "77:100"), [77] * 4)
        plain = self.ids(*flags)
        self.assertNotIn(plain[0], self.ids(*flags, "--logit-bias", f"{plain[0]}:-100"))


class TextTest(support.CliTest):
    def setUp(self):
        super().setUp()
        self.model = self.make_text_model()

    def generate(self, *flags):
        return self.succeed("generate", "--model", self.model, "--seed", 3, *flags)

    def test_text_and_its_ids_give_the_same(self):
        text = "The sextant, 你好"
        ids = self.succeed("tokenize", "--bos", "--model", self.model, stdin=text.encode()).out
        flags = ("-n", 20, "--ignore-eos", "--temperature", 1)
        wanted = self.generate("--prompt", text, *flags).out
        self.assertEqual(self.generate("--prompt-ids", ids.decode(), *flags).out, wanted)
        wanted.decode("utf-8")  # whole characters only

    def test_an_empty_prompt_is_the_begin_token(self):
        flags = ("-n", 5, "--ignore-eos")
        self.assertEqual(self.generate("--prompt", "", *flags).out,
                         self.generate("--prompt-ids", "1200", *flags).out)

    def test_a_chat_is_rendered(self):
        chat = json.dumps([{"role": "user", "content": "Hi"}])
        result = self.generate("--chat", chat, "-n", 5)
        self.assertRegex(result.err, r"\A\d+ prompt tokens, \d+ generated")

    def test_ids_without_a_token_never_come_out(self):
        # 1202 to 1299 have logits and no token; a bias of 100 would make one of them certain.
        bias = ",".join(f"{token}:100" for token in (1202, 1250, 1299))
        self.generate("--prompt", "x", "-n", 20, "--logit-bias", bias, "--ignore-eos")

    def test_a_stop_string_ends_the_text_before_it(self):
        whole = self.generate("--prompt", "a", "-n", 40, "--temperature", 1).out.decode()
        stop = whole[10:12]
        cut = self.generate("--prompt", "a", "-n", 40, "--temperature", 1, "--stop", stop)
        self.assertEqual(cut.out.decode(), whole[:whole.index(stop)] + "\n")


class RequestsTest(support.CliTest):
    def requests(self, *lines, flags=(), model=LITE):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        result = self.succeed("generate", "--model", model, "--requests", "-", *flags,
                              stdin=text.encode())
        return [json.loads(line) for line in result.out.decode().splitlines()]

    def test_answers_are_those_of_each_request_alone_and_in_order(self):
        lines = [{"prompt_ids": [i + 1] * (1 + 5 * i), "max_tokens": 3 + i, "seed": i,
                  "temperature": 1, "ignore_eos": True} for i in range(12)]
        together = self.requests(*lines)
        self.assertEqual([len(answer["ids"]) for answer in together], list(range(3, 15)))
        for line, answer in zip(lines, together):
            self.assertEqual(list(answer), ["text", "ids", "finish_reason"])
            self.assertEqual(self.requests(line), [answer])

    def test_flags_are_what_a_request_leaves_out(self):
        wanted = self.requests({"prompt_ids": [5], "max_tokens": 4, "seed": 6})
        self.assertEqual(self.requests("", {"prompt_ids": [5], "seed": 6}, "  ",
                                       flags=("-n", 4, "--seed", 1)), wanted)

    def test_logprobs_are_given_where_asked(self):
        answers = self.requests({"prompt_ids": [5], "max_tokens": 2, "logprobs": 3, "seed": 1},
                                {"prompt_ids": [5], "max_tokens": 2, "seed": 1})
        self.assertEqual([len(entry["top"]) for entry in answers[0]["logprobs"]], [3, 3])
        self.assertNotIn("logprobs", answers[1])
        self.assertEqual(answers[0]["ids"], answers[1]["ids"])

    def test_text_requests(self):
        model = self.make_text_model()
        answers = self.requests(
            {"prompt": "Hello", "max_tokens": 3, "seed": 1},
            {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "seed": 1},
            model=model)
        self.assertEqual(len(answers), 2)

    def test_one_wrong_line_is_named_and_nothing_is_generated(self):
        good = json.dumps({"prompt_ids": [1], "max_tokens": 2, "seed": 1})
        for line, message in (
                ("{", "not a JSON object"), ("[1]", "not a JSON object"),
                ('{"max_tokens":1}', "give one of messages, prompt and prompt_ids"),
                ('{"prompt":"x","prompt_ids":[1]}', "give one of messages"),
                ('{"prompt":"x"}', "has no tokenizer.json"),
                ('{"prompt_ids":[1],"speed":9}', 'unknown field "speed"'),
                ('{"prompt_ids":[256]}', "token id 256 is outside the vocabulary"),
                ('{"prompt_ids":[]}', "the prompt is empty"),
                ('{"prompt_ids":[1.5]}', '"prompt_ids" cannot be [1.5]'),
                ('{"prompt_ids":[4294967297]}', '"prompt_ids" cannot be [4294967297]'),
                ('{"prompt_ids":"1,2"}', '"prompt_ids" cannot be "1,2"'),
                ('{"prompt_ids":[1],"max_tokens":0}', "max_tokens is 0"),
                ('{"prompt_ids":[1],"max_tokens":true}', '"max_tokens" cannot be true'),
                ('{"prompt_ids":[1],"max_tokens":1e9}', '"max_tokens" cannot be'),
                ('{"prompt_ids":[1],"seed":-1}', '"seed" cannot be -1'),
                ('{"prompt_ids":[1],"top_k":1e30}', '"top_k" cannot be 1e+30'),
                ('{"prompt_ids":[1],"temperature":1e300}', '"temperature" cannot be'),
                ('{"prompt_ids":[1],"temperature":-1}', "temperature is -1"),
                ('{"prompt_ids":[1],"logprobs":21}', "logprobs"),
                ('{"prompt_ids":[1],"stop":"x"}', '"stop" cannot be "x"'),
                ('{"prompt_ids":[1],"ignore_eos":1}', '"ignore_eos" cannot be 1')):
            path = self.dir / "requests.jsonl"
            path.write_text(f"{good}\n{line}\n", encoding="utf-8")
            result = self.fail_with(message, "generate", "--model", LITE, "--requests", path)
            self.assertIn(f"{path}:2: ", result.err)
        self.fail_with("standard input:1: not a JSON object", "generate", "--model", LITE,
                       "--requests", "-", stdin=b"\xff\xfe")
        self.fail_with("name a file, or - for standard input", "generate", "--model", LITE,
                       "--requests", self.dir / "none")


if __name__ == "__main__":
    support.main()
