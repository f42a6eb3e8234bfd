"""Random runs of a model of random configuration: shapes at their edges, masks of every form, every input that a class takes."""
import numpy as np

STATES = dict(output_hidden_states=True, output_attentions=True)


def samples(config, frames):
    """The shortest clip that makes so many frames."""
    n = frames
    for k, s in reversed(list(zip(config.conv_kernel, config.conv_stride))):
        n = (n - 1) * s + k
    return n


def audio_mask(rng, rows, width, shortest):
    """Padding right, left or in holes (the reference counts ones), of any whole type; now and then an item that is all padding."""
    mask = np.zeros((rows, width), rng.choice([np.int32, np.int64, bool]))
    for i in range(rows):
        n = int(rng.integers(shortest, width + 1))
        mask[i, :n] = 1
        if rng.random() < .1:
            mask[i] = np.flip(mask[i])
        elif rng.random() < .1:
            mask[i] = rng.permutation(mask[i])
    mask[int(rng.integers(rows))] = 1
    return mask


def audio(rng, config, cls):
    shortest = samples(config, 1)
    least = samples(config, 2)
    if "XVector" in cls:
        least = samples(config, 2 + sum((k - 1) * d for k, d in zip(config.tdnn_kernel, config.tdnn_dilation)))
        if config.add_adapter:
            least = least * config.adapter_stride ** config.num_adapter_layers + 9 * samples(config, 3)
    for i in range(3):
        rows, width = int(rng.integers(1, 5)), int(rng.integers(least, least + samples(config, 40)))
        x = (rng.standard_normal((rows, width)) * rng.choice([1e-3, .1, 1, 30])).astype(np.float32)
        yield f"plain_{i}", dict(input_values=x, **(STATES if i == 0 else {}))
        low = shortest if "XVector" not in cls or rng.random() < .7 else 0
        yield f"masked_{i}", dict(input_values=x, attention_mask=audio_mask(rng, rows, width, 0 if rng.random() < .2 else low))
        clean = x.copy()
        lengths = [width] + [int(rng.integers(least, width + 1)) for _ in range(rows - 1)]
        mask = np.zeros(x.shape, np.int32)
        for k, n in enumerate(lengths):
            clean[k, n:], mask[k, :n] = 0, 1
        yield f"padded_{i}", dict(input_values=clean, attention_mask=mask, **(STATES if i == 1 else {}))
        for k, n in enumerate(lengths):
            yield f"padded_{i}.alone.{k}", dict(input_values=x[k:k + 1, :n])
    yield "one_frame", dict(input_values=x[:, :shortest])
    if cls == "Data2VecAudioModel" and (config.mask_time_prob > 0 or config.mask_feature_prob > 0):
        frames = width
        for k, s in zip(config.conv_kernel, config.conv_stride):
            frames = (frames - k) // s + 1
        yield "spec", dict(input_values=x, attention_mask=mask, mask_time_indices=rng.random((rows, frames)) < .4)


def text_mask(rng, shape):
    kind = rng.integers(5)
    mask = np.ones(shape, rng.choice([np.int32, np.int64, bool]))
    for row in mask.reshape(-1, shape[-1]):
        n = int(rng.integers(1, shape[-1] + 1))
        if kind == 0:
            row[n:] = 0
        elif kind == 1:
            row[:-n] = 0
        elif kind == 2:
            row[:] = rng.random(shape[-1]) < .6
        elif kind == 3 and rng.random() < .5:
            row[:] = 0
    return mask


def text(rng, config, cls):
    most = config.max_position_embeddings - config.pad_token_id - 1
    choice = "MultipleChoice" in cls
    for i in range(5):
        length = int(rng.choice([1, 2, most, rng.integers(1, most + 1)]))
        shape = (int(rng.integers(1, 4)), *([int(rng.integers(1, 4))] if choice else []), length)
        ids = rng.integers(0, config.vocab_size, shape)
        if rng.random() < .5:  # padding by id where the mask says so, too
            mask = text_mask(rng, shape)
            ids = np.where(mask.astype(bool), ids, config.pad_token_id)
        else:
            mask = text_mask(rng, shape)
        feed = dict(input_ids=ids)
        if rng.random() < .8:
            feed["attention_mask"] = mask
        if rng.random() < .5:
            feed["token_type_ids"] = rng.integers(0, config.type_vocab_size, shape)
        if rng.random() < .4:
            feed["position_ids"] = rng.integers(0, config.max_position_embeddings, shape if choice or rng.random() < .5 else (1, length))
        if config.num_hidden_layers and rng.random() < .3:
            one = (config.num_attention_heads,)  # for every layer
            feed["head_mask"] = rng.uniform(0, 2, one if rng.random() < .3 else (config.num_hidden_layers, *one)).astype(np.float32)
        yield f"run_{i}", feed | (STATES if i == 0 else {})
    embeds = rng.standard_normal((*shape, config.hidden_size)).astype(np.float32)
    yield "embeds", dict(inputs_embeds=embeds, attention_mask=mask)
    yield "embeds_bare", dict(inputs_embeds=embeds)
    if choice:
        return
    pairs = (rng.random((shape[0], length, length)) < .7).astype(rng.choice([np.int64, np.float32]))
    pairs[:, :, 0] = 1
    yield "pairs", dict(input_ids=ids, attention_mask=pairs)
    if config.is_decoder and config.add_cross_attention and cls in ("Data2VecTextModel", "Data2VecTextForCausalLM", "Data2VecTextForMaskedLM"):
        states = rng.standard_normal((shape[0], int(rng.integers(1, 7)), config.hidden_size)).astype(np.float32)
        yield "cross", dict(input_ids=ids, encoder_hidden_states=states, encoder_attention_mask=text_mask(rng, states.shape[:2]), **STATES)
        yield "cross_bare", dict(input_ids=ids, attention_mask=mask, encoder_hidden_states=states)
    if config.is_decoder and config.num_hidden_layers and not config.add_cross_attention and length > 1 and cls in ("Data2VecTextModel", "Data2VecTextForCausalLM"):
        cut = int(rng.integers(1, length))
        yield "prefix", dict(input_ids=ids[:, :cut], use_cache=True)
        yield "rest", dict(input_ids=ids[:, cut:], attention_mask=np.ones(ids.shape, np.int64), past_key_values=ids[:, :cut], use_cache=True)


def vision(rng, config, cls):
    h, w = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size,) * 2
    p = config.patch_size if isinstance(config.patch_size, (list, tuple)) else (config.patch_size,) * 2
    shape = (int(rng.integers(1, 4)), config.num_channels, h, w)
    x = (rng.standard_normal(shape) * rng.choice([.1, 1, 10])).astype(np.float32)
    heads = rng.uniform(0, 2, (config.num_hidden_layers, config.num_attention_heads)).astype(np.float32)
    yield "plain", dict(pixel_values=x)
    yield "states", dict(pixel_values=x[:1], **STATES)
    if config.num_hidden_layers:
        yield "head_mask", dict(pixel_values=x, head_mask=heads)
    if "Segmentation" in cls:
        return
    places = (h // p[0]) * (w // p[1])
    masked = rng.random((shape[0], places)) < .5
    if config.use_mask_token and cls == "Data2VecVisionModel":
        yield "masked", dict(pixel_values=x, bool_masked_pos=masked)
        yield "masked_int", dict(pixel_values=x, bool_masked_pos=masked.astype(np.int64))
    if config.use_absolute_position_embeddings and int(places ** .5) ** 2 != places:
        return  # the reference fails at other sizes
    if isinstance(config.patch_size, (list, tuple)) and config.use_absolute_position_embeddings:
        return
    for i in range(3):
        size = [int(rng.integers(q, 7 * q)) for q in p]
        if i == 2:
            size = [max(size)] * 2
        yield f"size_{i}", dict(pixel_values=rng.standard_normal((1, config.num_channels, *size)).astype(np.float32))
