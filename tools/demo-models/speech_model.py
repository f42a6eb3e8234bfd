"""The speech model: a small Data2VecAudioForCTC and the two throw-away heads that get it off the ground.

CTC alone stays on the plateau where every frame is blank. Frame labels and a bag-of-digits target teach the encoder first;
the bag is read from mean-pooled frames, so that pooled embeddings mean something afterwards.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

import schedule
from speech_clips import RATE, WORDS
from speech_mix import UNLABELLED

# The vocabulary of the published *-960h checkpoints.
SYMBOLS = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("ETAONIHSRDLUMWCFGYPBVK'XJQZ")
SYMBOL_ID = {s: i for i, s in enumerate(SYMBOLS)}
HIDDEN = 96


def config():
    """20 ms frames from two convolutions, three layers, 0.43 million parameters."""
    return Data2VecAudioConfig(
        vocab_size=len(SYMBOLS), hidden_size=HIDDEN, num_hidden_layers=3, num_attention_heads=4, intermediate_size=320,
        conv_dim=(128, HIDDEN), conv_kernel=(400, 3), conv_stride=(160, 2), conv_bias=False,
        num_conv_pos_embeddings=3, num_conv_pos_embedding_groups=16, conv_pos_kernel_size=19,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.05, final_dropout=0.05, layerdrop=0.0,
        mask_time_prob=0.04, mask_time_length=4, mask_feature_prob=0.02, mask_feature_length=8,
        ctc_loss_reduction="mean", ctc_zero_infinity=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )


def mel_filters(count=32, low=80.0, high=3900.0, width=400):
    """Windowed cosines at mel-spaced centres, four phases each: [4 * count, width]. High stays under the 4 kHz of telephone speech."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([low, high]) / 700)), count + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    rows = []
    for i in range(1, count + 1):
        length = int(np.clip(4 * RATE / ((hertz[i + 1] - hertz[i - 1]) * 1.3), 96, width))
        start = (width - length) // 2
        seconds = (np.arange(length) - length / 2) / RATE
        for phase in range(4):
            row = np.zeros(width)
            row[start : start + length] = np.hanning(length) * np.cos(2 * np.pi * hertz[i] * seconds + phase * np.pi / 2)
            rows.append(row / np.linalg.norm(row) * 2)
    return np.stack(rows)


@torch.no_grad()
def start_as_spectrogram(encoder, bands=32):
    """First convolution = mel filters in four phases, second = their sum: training starts from a magnitude spectrogram."""
    first, second = (layer.conv.weight for layer in encoder.feature_extractor.conv_layers)
    first.copy_(torch.tensor(mel_filters(bands)[:, None], dtype=torch.float32))
    second.mul_(0.15)
    for out in range(HIDDEN):
        band = (out % bands) * 4
        second[out, band : band + 4, (out // bands) % 3] += 0.5


class SpeechModel:
    """The CTC model with its helper heads; only the CTC model is saved."""

    def __init__(self):
        self.ctc = Data2VecAudioForCTC(config())
        self.encoder = self.ctc.data2vec_audio
        start_as_spectrogram(self.encoder)
        self.frame_head = torch.nn.Linear(HIDDEN, len(WORDS) + 1)
        self.bag_head = torch.nn.Linear(HIDDEN, len(WORDS))
        self.modules = [self.ctc, self.frame_head, self.bag_head]

    def parameters(self):
        return [p for m in self.modules for p in m.parameters()]

    def losses(self, utterances):
        """CTC, frame and bag losses of one batch."""
        values, mask = batch([u.samples for u in utterances])
        hidden = self.encoder(values, attention_mask=mask).last_hidden_state
        frames = self.encoder._get_feat_extract_output_lengths(mask.sum(1))
        return self._ctc_loss(hidden, frames, utterances), self._frame_loss(hidden, frames, utterances), self._bag_loss(hidden, frames, utterances)

    def _ctc_loss(self, hidden, frames, utterances):
        texts = [encode(transcript(u.digits)) for u in utterances]
        scores = F.log_softmax(self.ctc.lm_head(self.ctc.dropout(hidden)), -1).transpose(0, 1)
        lengths = torch.tensor([len(t) for t in texts])
        return F.ctc_loss(scores, torch.tensor(sum(texts, [])), frames, lengths, blank=0, zero_infinity=True)

    def _frame_loss(self, hidden, frames, utterances):
        labels = np.full(hidden.shape[:2], UNLABELLED)
        for row, n, u in zip(labels, frames.tolist(), utterances):
            row[:n] = u.frame_labels(n)
        if (labels == UNLABELLED).all():
            return hidden.sum() * 0
        return F.cross_entropy(self.frame_head(hidden).flatten(0, 1), torch.from_numpy(labels).flatten(), ignore_index=UNLABELLED)

    def _bag_loss(self, hidden, frames, utterances):
        share = torch.stack([torch.bincount(torch.tensor(u.digits), minlength=10) / len(u.digits) for u in utterances])
        return F.cross_entropy(self.bag_head(pooled(hidden, frames)), share)

    @torch.no_grad()
    def transcribe(self, samples):
        """(greedy transcript, mean-pooled embedding) of one waveform."""
        values, mask = batch([samples])
        hidden = self.encoder(values, attention_mask=mask).last_hidden_state
        return decode(self.ctc.lm_head(hidden)[0].argmax(-1).tolist()), hidden[0].mean(0)

    def save(self, folder):
        """The files a Hugging Face processor and model load."""
        folder = pathlib.Path(folder)
        self.ctc.save_pretrained(folder)
        (folder / "vocab.json").write_text(json.dumps(SYMBOL_ID))
        extractor = Wav2Vec2FeatureExtractor(
            feature_size=1, sampling_rate=RATE, padding_value=0.0, do_normalize=True, return_attention_mask=True)
        tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), word_delimiter_token="|")
        Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
        schedule.settle(folder)


def pooled(hidden, frames):
    """Mean over each item's own frames."""
    mask = (torch.arange(hidden.shape[1])[None] < frames[:, None]).float()[..., None]
    return (hidden * mask).sum(1) / mask.sum(1)


def batch(waves):
    """Normalised per clip, padded with zeros on the right: (values, mask)."""
    longest = max(map(len, waves))
    values, mask = np.zeros((len(waves), longest), np.float32), np.zeros((len(waves), longest), np.int64)
    for row, on, w in zip(values, mask, waves):
        row[: len(w)] = (w - w.mean()) / np.sqrt(w.var() + 1e-7)
        on[: len(w)] = 1
    return torch.from_numpy(values), torch.from_numpy(mask)


def transcript(digits):
    return " ".join(WORDS[d] for d in digits)


def encode(text):
    return [SYMBOL_ID["|" if c == " " else c] for c in text]


def decode(ids):
    """Greedy CTC: repeats merged, blanks and specials dropped."""
    out, previous = [], -1
    for i in ids:
        if i != previous and i > 3:
            out.append(" " if SYMBOLS[i] == "|" else SYMBOLS[i])
        previous = i
    return " ".join("".join(out).split())


def edits(got, want):
    """Levenshtein distance between two sequences."""
    row = list(range(len(want) + 1))
    for i, g in enumerate(got, 1):
        diagonal, row[0] = row[0], i
        for j, w in enumerate(want, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (g != w))
    return row[-1]
