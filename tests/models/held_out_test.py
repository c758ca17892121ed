"""Shows that no held-out question can be trained on, and that the data are the same every time."""

import itertools
import pathlib
import random
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "training"))
sys.path.insert(0, str(ROOT / "models" / "evaluation"))
import make_questions  # noqa: E402
import mixture  # noqa: E402
import question  # noqa: E402
import questions  # noqa: E402
from tasks import arithmetic  # noqa: E402

DIALOGUES = 20000


class HeldOutTest(unittest.TestCase):
    def test_no_training_dialogue_asks_a_held_out_question(self):
        asked = {q.messages[-1]["content"] for q in questions.load() if len(q.messages) == 1}
        trained = {turn.text for dialogue in itertools.islice(mixture.Mixture(9), DIALOGUES)
                   for turn in dialogue.turns}
        self.assertGreater(len(trained), DIALOGUES // 4)
        self.assertEqual(asked & trained, set())

    def test_a_held_out_sum_is_held_out_in_every_order_and_phrasing(self):
        keys: dict[tuple[int, ...], set[bool]] = {}
        rng = random.Random(3)
        for _ in range(DIALOGUES):
            asked = arithmetic.add(rng)
            a, b = asked.key.split()
            keys.setdefault(tuple(sorted((int(a), int(b)))), set()).add(
                question.is_held_out(asked))
        self.assertEqual({len(found) for found in keys.values()}, {1})
        self.assertEqual({True, False}, set().union(*keys.values()))

    def test_equal_seeds_give_equal_dialogues(self):
        first, second, other = (
            list(itertools.islice(mixture.Mixture(seed), 200)) for seed in (4, 4, 5))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_the_committed_questions_are_those_of_the_generator(self):
        self.assertEqual(questions.FILE.read_text(encoding="utf-8").splitlines(),
                         make_questions.lines())


if __name__ == "__main__":
    unittest.main()
