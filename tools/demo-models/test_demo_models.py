"""Tests of what training and scoring rest on: labels, decoding, error counting, splits. Not of how well a model learns.

python -m unittest test_demo_models
"""

import json
import pathlib
import random
import tempfile
import unittest

import numpy as np
import torch

import digit_images
import draw_samples
import intent_sentences
import schedule
import speech_clips
import speech_mix
import speech_model


class Decoding(unittest.TestCase):
    def test_a_transcript_survives_encoding_and_greedy_decoding(self):
        for digits in ([3], [0, 0, 7], list(range(10))):
            text = speech_model.transcript(digits)
            ids = [i for symbol in speech_model.encode(text) for i in (symbol, symbol, 0)]
            self.assertEqual(speech_model.decode(ids), text)

    def test_repeats_without_a_blank_between_them_are_one_letter(self):
        e, t = speech_model.SYMBOL_ID["E"], speech_model.SYMBOL_ID["T"]
        self.assertEqual(speech_model.decode([t, e, e, 0, e, t, t]), "TEET")

    def test_edits_count_insertions_deletions_and_substitutions(self):
        for got, want, distance in (("", "", 0), ("a b", "a b", 0), ("a", "a b", 1), ("a x b", "a b", 1), ("a x", "a b", 1), ("", "a b c", 3)):
            self.assertEqual(speech_model.edits(got.split(), want.split()), distance, (got, want))


class Mixing(unittest.TestCase):
    def clips(self):
        return [speech_clips.Clip(np.full(3200 * (d + 1), 0.1, np.float32), [d], "voice") for d in range(3)]

    def test_spans_lie_exactly_on_the_speech(self):
        u = speech_mix.join(np.random.default_rng(1), self.clips())
        speech = np.zeros(len(u.samples), bool)
        for start, end in u.spans:
            speech[start:end] = True
        np.testing.assert_array_equal(u.samples != 0, speech)
        self.assertEqual(u.digits, [0, 1, 2])

    def test_frame_labels_follow_the_centre_of_each_frame(self):
        u = speech_mix.Utterance(np.zeros(3200, np.float32), [4], [(680, 1320)])
        self.assertEqual(u.frame_labels(5).tolist(), [0, 5, 5, 0, 0])

    def test_a_phrase_has_no_frame_labels(self):
        phrase = speech_clips.Clip(np.ones(3200, np.float32), [1, 2], "voice")
        u = speech_mix.join(np.random.default_rng(1), [phrase])
        self.assertTrue((u.frame_labels(5) == speech_mix.UNLABELLED).all())

    def test_frames_of_the_model_are_where_the_labels_think_they_are(self):
        config = speech_model.config()
        (k1, k2), (s1, s2) = config.conv_kernel, config.conv_stride
        self.assertEqual(s1 * s2, speech_mix.FRAME_STRIDE)
        self.assertEqual((k1 + (k2 - 1) * s1) // 2, speech_mix.FRAME_CENTRE)

    def test_roughening_keeps_the_length(self):
        rng = np.random.default_rng(2)
        u = speech_mix.join(rng, self.clips())
        for _ in range(20):
            self.assertEqual(len(speech_mix.roughened(rng, u).samples), len(u.samples))


class Splits(unittest.TestCase):
    def test_no_held_out_voice_is_a_training_voice(self):
        self.assertFalse(set(speech_clips.VARIANTS) & set(speech_clips.HELD_OUT_VARIANTS))
        self.assertNotIn(speech_clips.HELD_OUT_ACCENT, speech_clips.ACCENTS)

    def test_every_bundled_clip_is_spoken_by_a_held_out_voice(self):
        for _, voice, *_ in draw_samples.CLIPS:
            self.assertIn(voice.split("+")[1], speech_clips.HELD_OUT_VARIANTS)

    def test_there_are_more_training_pictures_than_held_out_ones_and_all_digits_in_both(self):
        _, labels = digit_images.pictures()
        train, held = labels[: -digit_images.HELD_OUT], labels[-digit_images.HELD_OUT :]
        self.assertGreater(len(train), len(held))
        self.assertEqual(set(train), set(range(10)))
        self.assertEqual(set(held), set(range(10)))

    def test_a_held_out_sentence_is_dropped_from_training_whatever_its_case(self):
        with tempfile.TemporaryDirectory() as folder:
            for intent in intent_sentences.INTENTS:
                home = pathlib.Path(folder) / intent
                home.mkdir()
                for name, texts in ((f"train_{intent}_full", ["Same  words", "other"]), (f"validate_{intent}", ["same words"])):
                    records = {intent: [{"data": [{"text": t}]} for t in texts]}
                    (home / f"{name}.json").write_text(json.dumps(records))
            train, held = intent_sentences.sentences(folder)
        self.assertEqual({t for t, _ in train}, {"other"})
        self.assertEqual(held, [("same words", i) for i in range(7)])

    def test_disturbing_a_sentence_keeps_its_letters(self):
        rng = random.Random(1)
        for _ in range(50):
            self.assertEqual(intent_sentences.disturbed(rng, "Play Björk").rstrip(".?!").lower(), "play björk")


class Schedule(unittest.TestCase):
    def test_the_rate_warms_up_holds_and_ends_at_one_per_cent(self):
        self.assertLess(schedule.learning_rate(1.0, 0, 1000), 0.02)
        self.assertEqual(schedule.learning_rate(1.0, 200, 1000), 1.0)
        self.assertAlmostEqual(schedule.learning_rate(1.0, 1000, 1000), 0.01)

    def test_averaged_weights_come_back_out_and_live_ones_back_in(self):
        layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(layer.weight, 0.0)
        average = schedule.AveragedWeights([layer])
        torch.nn.init.constant_(layer.weight, 1.0)
        average.update(10_000)
        with average:
            self.assertAlmostEqual(layer.weight.item(), 0.005, places=6)
        self.assertEqual(layer.weight.item(), 1.0)

    def test_nearest_label_accuracy_leaves_the_item_itself_out(self):
        vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        self.assertEqual(schedule.nearest_label_accuracy(vectors, [0, 0, 1, 1]), 1.0)
        self.assertEqual(schedule.nearest_label_accuracy(vectors, [0, 1, 0, 1]), 0.0)


if __name__ == "__main__":
    unittest.main()
