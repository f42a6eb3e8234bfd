"""Trains the sentence model, first as a masked language model, then on intents: python train_text.py --sentences FOLDER --out FOLDER"""

import argparse
import pathlib
import random

import torch
import torch.nn.functional as F
from tokenizers import ByteLevelBPETokenizer
from transformers import Data2VecTextConfig, Data2VecTextForMaskedLM, Data2VecTextForSequenceClassification, RobertaTokenizerFast

import schedule
from intent_sentences import INTENTS, disturbed, sentences

MAX_TOKENS = 128
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
PAD, FIRST_WORD = 1, len(SPECIAL)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", required=True, help="the folder 2017-06-custom-intent-engines")
    parser.add_argument("--out", required=True, help="model folder to write")
    parser.add_argument("--language-steps", type=int, default=2500)
    parser.add_argument("--intent-steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def train_tokenizer(texts, folder):
    """A byte-level BPE of 2,048 entries, saved as RobertaTokenizerFast and as the plain vocab and merges it was made of."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts + [t.lower() for t in texts[::2]], vocab_size=2048, min_frequency=2, special_tokens=SPECIAL)
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer


def config(tokenizer):
    """Positions 0 and 1 are never used by real tokens (position = pad id + 1 + index), hence 128 + 2."""
    return Data2VecTextConfig(
        vocab_size=len(tokenizer), hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=320,
        max_position_embeddings=MAX_TOKENS + 2, type_vocab_size=1, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
        pad_token_id=PAD, bos_token_id=0, eos_token_id=2,
        id2label=dict(enumerate(INTENTS)), label2id={n: i for i, n in enumerate(INTENTS)})


class Batches:
    """Endless batches of about 1,500 tokens, each of sentences of similar length."""

    def __init__(self, rng, tokenizer, items, tokens=1500):
        self.rng, self.tokenizer, self.items, self.tokens = rng, tokenizer, items, tokens
        self.queue = []

    def next(self):
        """(ids [batch, longest], labels [batch])"""
        if not self.queue:
            self.queue = self._epoch()
        return self.queue.pop()

    def _epoch(self):
        ids = self.tokenizer([disturbed(self.rng, t) for t, _ in self.items], truncation=True)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]) + self.rng.random() * 3)
        groups, group = [], []
        for i in order:
            if group and len(ids[i]) * (len(group) + 1) > self.tokens:
                groups.append(group)
                group = []
            group.append(i)
        groups.append(group)
        self.rng.shuffle(groups)
        return [(padded([ids[i] for i in g]), torch.tensor([self.items[i][1] for i in g])) for g in groups]


def padded(rows):
    longest = max(map(len, rows))
    return torch.tensor([r + [PAD] * (longest - len(r)) for r in rows])


def pooled(hidden, mask):
    """Mean over real tokens."""
    mask = mask[..., None].float()
    return (hidden * mask).sum(1) / mask.sum(1)


def hide(ids, mask_id, size):
    """Hides 20 % of the words: (ids to feed, which positions to predict). 85 % become the mask, 7 % another token, 8 % stay."""
    chosen = (ids >= FIRST_WORD) & (torch.rand(ids.shape) < 0.2)
    kind = torch.rand(ids.shape)
    fed = torch.where(chosen & (kind < 0.85), mask_id, ids)
    other = chosen & (kind > 0.93)
    fed[other] = torch.randint(FIRST_WORD, size, (int(other.sum()),))
    return fed, chosen


def learn_language(tokenizer, batches, steps):
    """Masked-language training; returns the model."""
    model = Data2VecTextForMaskedLM(config(tokenizer)).train()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    progress = schedule.Progress(every=100)
    for step in range(steps):
        ids, _ = batches.next()
        fed, chosen = hide(ids, tokenizer.mask_token_id, len(tokenizer))
        hidden = model.data2vec_text(fed, attention_mask=(ids != PAD).long()).last_hidden_state
        loss = F.cross_entropy(model.lm_head(hidden[chosen]), ids[chosen])
        schedule.optimise(optimiser, loss, schedule.learning_rate(2e-3, step, steps, hold=0))
        progress.report(step + 1, masked=loss.item())
    return model


def learn_intents(model, tokenizer, batches, steps, evaluate):
    """Fine-tunes on <s> as the class asks, and on mean-pooled tokens with a throw-away head, so that embeddings sort too."""
    helper = torch.nn.Linear(96, len(INTENTS))
    parameters = [*model.parameters(), *helper.parameters()]
    optimiser = torch.optim.AdamW(parameters, weight_decay=0.01, betas=(0.9, 0.98))
    average = schedule.AveragedWeights([model])
    progress = schedule.Progress(every=100)
    for step in range(steps):
        ids, labels = batches.next()
        dropped = (ids >= FIRST_WORD) & (torch.rand(ids.shape) < 0.08)
        mask = (ids != PAD).long()
        hidden = model.data2vec_text(torch.where(dropped, tokenizer.mask_token_id, ids), attention_mask=mask).last_hidden_state
        own = F.cross_entropy(model.classifier(hidden), labels)
        mean = F.cross_entropy(helper(pooled(hidden, mask)), labels)
        schedule.optimise(optimiser, own + 0.5 * mean, schedule.learning_rate(1e-3, step, steps, hold=0))
        average.update(step)
        progress.report(step + 1, intent=own.item(), mean=mean.item())
    with average:
        return evaluate()


@torch.no_grad()
def score(model, tokenizer, items):
    """Held-out accuracy, and nearest-neighbour accuracy of the mean-pooled embeddings; one sentence at a time."""
    right, vectors = 0, []
    for text, label in items:
        ids = torch.tensor([tokenizer(text, truncation=True)["input_ids"]])
        hidden = model.data2vec_text(ids).last_hidden_state
        right += model.classifier(hidden).argmax().item() == label
        vectors.append(hidden[0].mean(0))
    return {"accuracy": round(right / len(items), 4), "sentences": len(items),
            "nearest_neighbour_label": schedule.nearest_label_accuracy(torch.stack(vectors), [y for _, y in items])}


def main():
    args = arguments()
    schedule.seed_everything(args.seed)
    out = pathlib.Path(args.out)
    train, held = sentences(args.sentences)
    tokenizer = train_tokenizer([t for t, _ in train], out)
    batches = Batches(random.Random(args.seed), tokenizer, train)
    progress = schedule.Progress()
    language = learn_language(tokenizer, batches, args.language_steps)
    model = Data2VecTextForSequenceClassification(config(tokenizer)).train()
    model.data2vec_text.load_state_dict(language.data2vec_text.state_dict())
    print("sentences", len(train), len(held), "parameters", sum(p.numel() for p in model.parameters()), flush=True)

    def finish():
        metrics = {"held_out": score(model, tokenizer, held), "language_steps": args.language_steps,
                   "intent_steps": args.intent_steps, "seed": args.seed, **progress.spent()}
        model.save_pretrained(out)
        schedule.settle(out)
        return metrics

    metrics = learn_intents(model, tokenizer, batches, args.intent_steps, finish)
    schedule.write_json(out / "metrics.json", metrics)
    print(metrics)


if __name__ == "__main__":
    main()
