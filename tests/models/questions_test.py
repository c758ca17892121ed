"""Shows how answers are judged and scores are counted."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "training"))
sys.path.insert(0, str(ROOT / "models" / "evaluation"))
import questions  # noqa: E402
from tasks import small_talk, stories  # noqa: E402


def one(task, answer=None, pattern=None):
    return questions.HeldOutQuestion(task, [{"role": "user", "content": "?"}], answer, pattern)


class QuestionsTest(unittest.TestCase):
    def test_an_answer_must_be_right_word_for_word(self):
        asked = one("add", answer="1 + 1 = 2.")
        self.assertTrue(asked.is_right(" 1 + 1 = 2."))
        self.assertFalse(asked.is_right("1 + 1 = 2. And more."))
        self.assertFalse(asked.is_right("2"))

    def test_a_pattern_must_match_the_whole_answer(self):
        asked = one("stories", pattern="Once.*end\\.")
        self.assertTrue(asked.is_right("Once upon the end."))
        self.assertFalse(asked.is_right("Once upon the end. Once"))

    def test_a_story_must_keep_its_hero_and_its_article(self):
        good = ("Once there was a brave mouse called Milo, who lived by a quiet lake. Milo wanted "
                "to see the sea. But it began to snow. Then Milo met an old goat. \"Follow the "
                "stars,\" said the old goat. So Milo did, and soon Milo saw the sea. Milo never "
                "forgot that day.")
        asked = one("stories", pattern=stories.pattern("Tell me a story about a brave mouse."))
        self.assertTrue(asked.is_right(good))
        self.assertFalse(asked.is_right(good.replace("soon Milo", "soon Luna")))
        self.assertFalse(asked.is_right(good.replace("an old goat", "a old goat")))
        self.assertFalse(asked.is_right(good.replace("saw the sea", "could sing")))

    def test_small_talk_may_be_answered_by_any_reply_of_its_kind(self):
        asked = one("small talk", pattern=small_talk.pattern("Good morning! How can I help?"))
        self.assertTrue(asked.is_right("Good morning! How can I help?"))
        self.assertTrue(asked.is_right("Hello! What would you like to know?"))
        self.assertFalse(asked.is_right("Good morning!"))
        self.assertFalse(asked.is_right("You are welcome!"))

    def test_scores_are_counted_by_task(self):
        asked = [one("a", answer="x"), one("a", answer="y"), one("b", answer="z")]
        by_task = questions.scores(asked, ["x", "x", "z"])
        self.assertEqual((by_task["a"].right, by_task["a"].asked), (1, 2))
        self.assertEqual(by_task["b"].share, 1.0)
        self.assertEqual(by_task["a"].wrong, [(asked[1], "x")])
        self.assertIn("66.7%", questions.table(by_task).splitlines()[-1])

    def test_no_more_than_asked_for_are_taken_of_each_task(self):
        taken = [question.task for question in questions.load(per_task=3)]
        self.assertEqual({taken.count(task) for task in taken}, {3})


if __name__ == "__main__":
    unittest.main()
