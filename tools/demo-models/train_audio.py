"""Trains the speech model: python train_audio.py --recordings FOLDER --work FOLDER --out FOLDER"""

import argparse
import pathlib

import torch

import schedule
from speech_clips import recordings, synthetic_sets
from speech_mix import Mixer, assembled, spoken
from speech_model import SpeechModel, edits, transcript


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", required=True, help="folder of DIGIT_SPEAKER_INDEX.wav recordings")
    parser.add_argument("--work", required=True, help="folder for the spoken synthetic clips, reused by the next run")
    parser.add_argument("--out", required=True, help="model folder to write")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--evaluate-every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-speaker", default="", help="train without this speaker's recordings and score them too")
    return parser.parse_args()


def longest(done):
    """Digits per utterance at the fraction `done` of training: one at first, six from a third on."""
    return 1 if done < 0.06 else 2 if done < 0.12 else 4 if done < 0.25 else 6


def weights(done):
    """Weights of the CTC, frame and bag losses: CTC joins after 6 %, the helpers fade after 40 %."""
    if done < 0.06:
        return 0.0, 1.5, 0.7
    if done < 0.4:
        return 1.0, 1.5, 0.5
    return 1.5, 0.7, 0.4


def word_error_rate(model, utterances):
    """{wer, exact, words} of greedy transcripts, one utterance at a time."""
    wrong = words = exact = 0
    for u in utterances:
        got, want = model.transcribe(u.samples)[0], transcript(u.digits)
        wrong += edits(got.split(), want.split())
        words += len(u.digits)
        exact += got == want
    return {"word_error_rate": round(wrong / words, 4), "exact_utterances": round(exact / len(utterances), 4),
            "utterances": len(utterances), "words": words}


def word_retrieval(model, clips, seed):
    """Nearest-neighbour label accuracy of the mean-pooled embeddings of single words."""
    utterances = spoken(seed, clips)
    vectors = torch.stack([model.transcribe(u.samples)[1] for u in utterances])
    return schedule.nearest_label_accuracy(vectors, [u.digits[0] for u in utterances])


def held_out_sets(held, unheard, synthetic, count):
    """Recordings of heard speakers, synthetic voices never heard, an accent never heard, and a person never heard if asked for."""
    sets = {
        "recordings": assembled(7, held, count, 6),
        "synthetic_voices": spoken(8, synthetic["held_voices"][:count]),
        "synthetic_accent": spoken(9, synthetic["held_accent"][:count]),
    }
    if unheard:
        sets["unheard_speaker"] = assembled(12, unheard, count, 6)
    return sets


def main():
    args = arguments()
    rng = schedule.seed_everything(args.seed)
    train, held = recordings(args.recordings)
    unheard = [c for c in train + held if c.voice == args.without_speaker]
    train, held = ([c for c in clips if c.voice != args.without_speaker] for clips in (train, held))
    synthetic = synthetic_sets(pathlib.Path(args.work) / "espeak.pickle")
    model = SpeechModel()
    print("clips", len(train), len(held), "parameters", sum(p.numel() for p in model.ctc.parameters()), flush=True)
    mixer = Mixer(rng, train, synthetic["words"], synthetic["phrases"])
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    average = schedule.AveragedWeights(model.modules)
    progress = schedule.Progress()
    quick = held_out_sets(held, unheard, synthetic, 40)
    for step in range(args.steps):
        done = step / args.steps
        count = int(rng.integers(1, longest(done) + 1))
        ctc, frame, bag = model.losses([mixer.draw(count) for _ in range(max(8, min(24, 36 // count)))])
        a, b, c = weights(done)
        schedule.optimise(optimiser, (a * ctc if a else 0) + b * frame + c * bag, schedule.learning_rate(1.2e-3, step, args.steps))
        average.update(step)
        progress.report(step + 1, ctc=ctc.item(), frame=frame.item(), bag=bag.item())
        if (step + 1) % args.evaluate_every == 0 and step + 1 < args.steps:
            with average:
                print({k: word_error_rate(model, v)["word_error_rate"] for k, v in quick.items()}, flush=True)
                model.save(args.out)
    with average:
        spent = progress.spent()
        metrics = {"held_out": {k: word_error_rate(model, v) for k, v in held_out_sets(held, unheard, synthetic, 200).items()},
                   "nearest_neighbour_word": {"recordings": word_retrieval(model, held, 10),
                                              "synthetic_voices": word_retrieval(model, synthetic["held_words"], 11)},
                   "steps": args.steps, "seed": args.seed, **spent}
        model.save(args.out)
    schedule.write_json(pathlib.Path(args.out) / "metrics.json", metrics)
    print(metrics)


if __name__ == "__main__":
    main()
