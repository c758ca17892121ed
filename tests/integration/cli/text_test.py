"""`sextant tokenize` and `sextant detokenize`: any bytes go there and come back."""

import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402

CASES = support.TOKENIZER / "cases.json"
BOS = 1200


class TextTest(support.CliTest):
    def tokenize(self, text, *flags):
        return self.succeed("tokenize", "--model", support.TOKENIZER, *flags, stdin=text).out

    def detokenize(self, ids):
        return self.succeed("detokenize", "--model", support.TOKENIZER, stdin=ids).out

    def test_golden_texts_get_their_ids(self):
        cases = json.loads(CASES.read_text(encoding="utf-8"))["texts"]
        self.assertGreater(len(cases), 60)
        for case in cases[::6]:
            ids = " ".join(map(str, case["ids"]))
            self.assertEqual(self.tokenize(case["text"].encode()), f"{ids}\n".encode())

    def test_any_bytes_come_back(self):
        source = random.Random(5)
        everything = bytes(range(256))
        texts = [b"", b"\n", b"\0", everything, everything[::-1], "é你👋".encode()[1:-1],
                 "<｜end▁of▁sentence｜>".encode(), b"\r\n\r\n  x \t"]
        texts += [source.randbytes(source.randrange(3000)) for _ in range(6)]
        for text in texts:
            self.assertEqual(self.detokenize(self.tokenize(text)), text)

    def test_a_large_text_comes_back(self):
        text = ("The sextant 六分儀 finds 17.5 degrees.\n" * 5000).encode()
        self.assertEqual(self.detokenize(self.tokenize(text)), text)

    def test_the_ids_are_one_line_and_bos_is_prepended_on_request(self):
        plain = self.tokenize(b"a\nb")
        self.assertEqual(plain.count(b"\n"), 1)
        self.assertEqual(self.tokenize(b"a\nb", "--bos"), f"{BOS} ".encode() + plain)
        self.assertEqual(self.tokenize(b"", "--bos"), f"{BOS}\n".encode())
        self.assertEqual(self.tokenize(b""), b"\n")

    def test_text_that_spells_a_special_token_stays_text(self):
        ids = self.tokenize("<｜begin▁of▁sentence｜>".encode()).split()
        self.assertNotIn(str(BOS).encode(), ids)
        self.assertGreater(len(ids), 1)

    def test_json_adds_the_pieces(self):
        result = json.loads(self.tokenize(b"Hi\xff", "--json", "--bos"))
        self.assertEqual(len(result["ids"]), len(result["pieces"]))
        self.assertEqual(result["pieces"][0], "<｜begin▁of▁sentence｜>")
        self.assertEqual("".join(result["pieces"][1:-1]), "Hi")
        self.assertEqual(result["pieces"][-1], [255])

    def test_ids_may_be_separated_in_any_way(self):
        ids = self.tokenize(b"one two three").decode().split()
        for text in (",".join(ids), "\n".join(ids), ", ".join(ids) + "\n", " ".join(ids),
                     "\t".join(ids) + " \r\n"):
            self.assertEqual(self.detokenize(text.encode()), b"one two three")

    def test_what_is_no_id_is_named(self):
        for text, message in ((b"1 2 x", '"x" at byte 4 is no token id'), (b"-1", '"-1" at byte 0'),
                              (b"1.5", '"1.5"'), (b"99999999999", '"99999999999"'),
                              (b"1 99999", "no token has the id 99999"),
                              (b"1\0" b"2", "is no token id")):
            self.fail_with(message, "detokenize", "--model", support.TOKENIZER, stdin=text)

    def test_neither_needs_weights_and_both_need_the_tokenizer(self):
        for command in ("tokenize", "detokenize"):
            self.fail_with("/nowhere/tokenizer.json: cannot be opened", command, "--model",
                           "/nowhere")


if __name__ == "__main__":
    support.main()
