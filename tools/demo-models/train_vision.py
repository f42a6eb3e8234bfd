"""Trains the picture model on scikit-learn's handwritten digits: python train_vision.py --out FOLDER"""

import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BeitImageProcessor, Data2VecVisionConfig, Data2VecVisionForImageClassification

import schedule
from digit_images import HELD_OUT, MODEL_SIZE, NAMES, pictures, processed

BATCH = 48


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="model folder to write")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--evaluate-every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def config():
    """64 patches of 4x4, four layers. initializer_range and layer scale are larger than published: training starts faster."""
    return Data2VecVisionConfig(
        image_size=MODEL_SIZE, patch_size=4, num_channels=3, hidden_size=96, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=256, use_mask_token=False, use_absolute_position_embeddings=True, use_relative_position_bias=True,
        use_shared_relative_position_bias=False, layer_scale_init_value=1.0, initializer_range=0.08, use_mean_pooling=True,
        drop_path_rate=0.0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(NAMES)), label2id={n: i for i, n in enumerate(NAMES)})


def warped(rng, images, strength):
    """Small rotations, scalings, shears, shifts, and changes of ink and paper; `strength` 0..1 scales all of them."""
    count = len(images)

    def draw(low, high):
        return torch.from_numpy(rng.uniform(low, high, count).astype(np.float32)) * strength

    angle, scale, shear = draw(-0.3, 0.3), 1 + draw(-0.18, 0.18), draw(-0.25, 0.25)
    grid = torch.zeros(count, 2, 3)
    grid[:, 0, 0] = torch.cos(angle) * scale
    grid[:, 0, 1] = -torch.sin(angle) * scale + shear
    grid[:, 1, 0] = torch.sin(angle) * scale
    grid[:, 1, 1] = torch.cos(angle) * scale * (1 + draw(-0.1, 0.1))
    grid[:, 0, 2], grid[:, 1, 2] = draw(-0.15, 0.15), draw(-0.15, 0.15)
    flow = F.affine_grid(grid, images.shape, align_corners=False)
    moved = F.grid_sample(images, flow, padding_mode="border", align_corners=False)
    ink, paper = 1 + draw(-0.3, 0.1), draw(0.0, 0.3)
    moved = -1 + (moved + 1) * ink.view(-1, 1, 1, 1) + paper.view(-1, 1, 1, 1)
    return (moved + torch.from_numpy(rng.standard_normal(moved.shape).astype(np.float32)) * 0.05 * strength).clamp(-1, 1)


@torch.no_grad()
def evaluate(model, images, labels):
    """Held-out accuracy, and nearest-neighbour accuracy of the mean-pooled patch embeddings."""
    hidden = torch.cat([model.data2vec_vision(b).last_hidden_state for b in images.split(60)])
    logits = torch.cat([model(b).logits for b in images.split(60)])
    return {"accuracy": round((logits.argmax(1) == labels).float().mean().item(), 4),
            "nearest_neighbour_label": schedule.nearest_label_accuracy(hidden[:, 1:].mean(1), labels),
            "nearest_neighbour_label_all_positions": schedule.nearest_label_accuracy(hidden.mean(1), labels)}


def save(model, folder):
    model.save_pretrained(folder)
    BeitImageProcessor(
        do_resize=True, size={"height": MODEL_SIZE, "width": MODEL_SIZE}, resample=3, do_center_crop=False, do_rescale=True,
        do_normalize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_reduce_labels=False).save_pretrained(folder)
    schedule.settle(folder)


def main():
    args = arguments()
    rng = schedule.seed_everything(args.seed)
    images, labels = pictures()
    values, labels = torch.from_numpy(np.stack([processed(p) for p in images])), torch.tensor(labels)
    train, held = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    model = Data2VecVisionForImageClassification(config())
    print("pictures", len(values[train]), HELD_OUT, "parameters", sum(p.numel() for p in model.parameters()), flush=True)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.05, betas=(0.9, 0.98))
    average = schedule.AveragedWeights([model])
    progress = schedule.Progress()
    order = []
    for step in range(args.steps):
        if len(order) < BATCH:
            order = rng.permutation(len(values) - HELD_OUT).tolist()
        pick, order = order[:BATCH], order[BATCH:]
        batch = warped(rng, values[train][pick], min(1.0, 0.15 + 1.5 * step / args.steps))
        loss = F.cross_entropy(model(batch).logits, labels[train][pick], label_smoothing=0.05)
        schedule.optimise(optimiser, loss, schedule.learning_rate(1e-3, step, args.steps, hold=0.1))
        average.update(step)
        progress.report(step + 1, loss=loss.item())
        if (step + 1) % args.evaluate_every == 0 and step + 1 < args.steps:
            with average:
                print(evaluate(model, values[held], labels[held]), flush=True)
                save(model, args.out)
    with average:
        metrics = {"held_out": {**evaluate(model, values[held], labels[held]), "pictures": HELD_OUT},
                   "steps": args.steps, "seed": args.seed, **progress.spent()}
        save(model, args.out)
    schedule.write_json(pathlib.Path(args.out) / "metrics.json", metrics)
    print(metrics)


if __name__ == "__main__":
    main()
