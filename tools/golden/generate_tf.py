"""Writes the golden cases of TensorFlow's classes, by those classes themselves: python generate_tf.py OUT.

In the environment of sweep_tf.py (requirements-tf.txt). Weights are saved as tf_model.h5.
"""
import sys

import transformers as hf

import sweep_tf

SETTINGS = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=16, patch_size=4, hidden_act="gelu", num_labels=3)

CASES = [
    ("TFData2VecVisionModel", "keras", dict(use_relative_position_bias=True, use_absolute_position_embeddings=True, use_mask_token=True, use_mean_pooling=False)),
    ("TFData2VecVisionForImageClassification", "keras", dict(use_shared_relative_position_bias=True, layer_scale_init_value=0)),
    ("TFData2VecVisionForSemanticSegmentation", "keras", dict(num_hidden_layers=4, out_indices=[1, 2, 3, 4], pool_scales=[1, 2, 3], use_auxiliary_head=False)),
]


def main(root):
    hf.logging.set_verbosity_error()
    sweep_tf.mend()
    for i, (cls, name, settings) in enumerate(CASES):
        sweep_tf.case(root, cls, name, SETTINGS | settings, i)


if __name__ == "__main__":
    main(*sys.argv[1:])
