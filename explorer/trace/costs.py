"""What an op is and what it costs: one short pure rule per op.

Counting convention. A MAC is one multiply-accumulate of a convolution, a linear layer, a
matrix product or attention (QK^T and AV). Additions of a bias are counted apart, and so is
all other arithmetic, in operations: 1 per output element for element by element functions
(activations included, however many instructions they take); 2 per element for a batch
normalization in eval mode (its statistics are constants: scale and shift) and 7 in train
mode, as for layer, group and instance normalization (sum, subtract, square, sum, scale,
weight, bias); 5 per element for a softmax (maximum, subtract, exponential, sum, divide);
the window's size per output element for pooling; one per input element for a reduction.
Copies, views, indexing and constants cost no arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from torch import Tensor


class Cost(NamedTuple):
    """Arithmetic of one op: multiply-accumulates, additions of a bias, everything else."""

    macs: int = 0
    bias_ops: int = 0
    elementwise_ops: int = 0


Args = tuple[Any, ...]
Rule = Callable[[Args, Any], Cost]
"""(positional arguments in schema order, output) -> cost."""

FREE = Cost()

_KINDS = {
    "convolution": """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
        convolution _convolution mkldnn_convolution deform_conv2d""",
    "linear": "linear addmm addmv _addmm_activation",
    "matmul": """mm bmm matmul mv dot vdot inner baddbmm addbmm addr einsum bilinear tensordot
        chain_matmul linalg_multi_dot outer cdist _cdist_forward""",
    "attention": """scaled_dot_product_attention _native_multi_head_attention
        _transformer_encoder_layer_fwd _scaled_dot_product_flash_attention_for_cpu
        _scaled_dot_product_flash_attention _scaled_dot_product_efficient_attention
        _scaled_dot_product_cudnn_attention""",
    "recurrent": "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    "normalization": """batch_norm layer_norm group_norm instance_norm rms_norm native_batch_norm
        native_layer_norm native_group_norm""",
    "activation": """relu relu6 hardtanh sigmoid hardsigmoid tanh silu gelu hardswish elu selu celu
        leaky_relu prelu mish softplus log_sigmoid threshold rrelu glu hardshrink softshrink""",
    "softmax": "softmax log_softmax _softmax _log_softmax",
    "pooling": """max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_max_pool3d max_pool1d_with_indices
        max_pool2d_with_indices max_pool3d_with_indices fractional_max_pool2d""",
    "add": "add sub rsub subtract",
    "multiply": "mul multiply div divide true_divide",
    "concat": "cat concat concatenate stack hstack vstack",
    "reshape": """view reshape flatten unflatten permute transpose t squeeze unsqueeze expand
        expand_as view_as _unsafe_view contiguous movedim moveaxis swapaxes swapdims split
        split_with_sizes chunk tensor_split unbind narrow select slice unfold as_strided detach
        alias clone to _to_copy numpy_T mT mH matrix_H roll flip repeat tile repeat_interleave
        pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle broadcast_to copy
        view_copy lift_fresh positive type_as real imag diagonal unsafe_chunk unsafe_split
        broadcast_tensors meshgrid atleast_1d atleast_2d atleast_3d rot90 fliplr flipud diag
        diag_embed diagonal_copy block_diag cartesian_prod resolve_conj resolve_neg""",
    "dropout": """dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout
        bernoulli""",
    "upsample": """upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d
        upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_nearest_exact2d
        _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler grid_sampler_2d
        grid_sampler_3d affine_grid_generator max_unpool2d max_unpool3d""",
    "padding": """pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d
        replication_pad2d replication_pad3d""",
    "reduction": """mean sum amax amin max min var std var_mean std_mean norm linalg_vector_norm
        argmax argmin any all prod cumsum logsumexp count_nonzero topk sort argsort median
        nanmedian mode kthvalue cummax cummin cumprod logcumsumexp histc bincount trace dist
        nll_loss nll_loss_nd nll_loss2d mse_loss l1_loss smooth_l1_loss huber_loss
        binary_cross_entropy""",
    "elementwise": """floor_divide polar complex linalg_cross renorm _weight_norm_interface
        __and__ __or__ __xor__ __iand__ __ior__ __ixor__ fake_quantize_per_tensor_affine
        fake_quantize_per_channel_affine""",
    "embedding": "embedding embedding_bag",
    "indexing": """index gather index_select masked_fill masked_scatter scatter scatter_add
        index_add index_put index_copy take take_along_dim where one_hot tril triu nonzero
        masked_select bucketize searchsorted unique_consecutive _unique2 unique_dim im2col col2im
        select_scatter slice_scatter diagonal_scatter scatter_reduce index_fill isin multinomial
        argwhere _pack_padded_sequence _pad_packed_sequence""",
    "constant": """zeros ones full empty empty_strided empty_permuted arange linspace
        scalar_tensor eye rand randn randint randperm tensor zeros_like ones_like full_like
        empty_like rand_like randn_like new_zeros new_ones new_full new_empty
        new_empty_strided tril_indices triu_indices normal uniform""",
    "bookkeeping": """copy_ fill_ zero_ uniform_ normal_ bernoulli_ random_ exponential_ cauchy_
        log_normal_ geometric_ requires_grad_ detach_ set_ resize_""",
}
KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}


def kind_of(name: str, pointwise: bool, reduction: bool) -> str:
    """Return the layer kind of an ATen op, given what its tags say of it."""
    kind = KIND_OF.get(name) or KIND_OF.get(name.rstrip("_"))
    if kind:
        return kind
    if pointwise or name.startswith("_foreach_"):
        return "elementwise"
    return "reduction" if reduction else "unknown"


# --------------------------------------------------------------------------- rules


def _numel(out: Any) -> int:
    if isinstance(out, Tensor):
        return out.numel()
    return sum(map(_numel, out)) if isinstance(out, (list, tuple)) else 0


def _has(args: Args, position: int) -> bool:
    return len(args) > position and args[position] is not None


def _convolution(args: Args, out: Any) -> Cost:
    """out * (in_channels / groups) * kernel."""
    macs = out.numel() * prod(args[1].shape[1:])
    return Cost(macs, out.numel() if _has(args, 2) else 0)


def _transposed_convolution(args: Args, out: Any) -> Cost:
    """in * (out_channels / groups) * kernel: every input element meets every kernel weight."""
    macs = args[0].numel() * prod(args[1].shape[1:])
    return Cost(macs, out.numel() if _has(args, 2) else 0)


def _any_convolution(args: Args, out: Any) -> Cost:
    return (_transposed_convolution if args[6] else _convolution)(args, out)


def _deformable_convolution(args: Args, out: Any) -> Cost:
    """The convolution proper; sampling at the offsets is not counted."""
    return Cost(out.numel() * prod(args[1].shape[1:]), out.numel() if _has(args, 4) else 0)


def _linear(args: Args, out: Any) -> Cost:
    """out * in_features, for every token or pixel."""
    return Cost(out.numel() * args[1].shape[-1], out.numel() if _has(args, 2) else 0)


def _matmul(args: Args, out: Any) -> Cost:
    return Cost(out.numel() * args[0].shape[-1])


def _matmul_plus(args: Args, out: Any) -> Cost:
    """beta * input + a @ b."""
    return Cost(out.numel() * args[1].shape[-1], out.numel())


def _addbmm(args: Args, out: Any) -> Cost:
    """Sum over the batch of a @ b."""
    return Cost(out.numel() * args[1].shape[0] * args[1].shape[-1], out.numel())


def _bilinear(args: Args, out: Any) -> Cost:
    """x1^T W x2 for every output feature: x1 W first, then times x2."""
    in1, in2 = args[0].shape[-1], args[1].shape[-1]
    return Cost(out.numel() * (in1 * in2 + in2), out.numel() if _has(args, 3) else 0)


def _outer(args: Args, out: Any) -> Cost:
    return Cost(out.numel())


def _attention(args: Args, out: Any) -> Cost:
    """QK^T and AV: batch * heads * L * S * (E + Ev); the softmax over L x S apart."""
    query, key, value = args[:3]
    scores = prod(out.shape[:-1]) * key.shape[-2]
    return Cost(scores * (query.shape[-1] + value.shape[-1]), 0, 6 * scores)


def _fused_mha(args: Args, out: Any) -> Cost:
    """Projections of Q, K, V and the output, QK^T and AV."""
    query, key = args[0], args[1]
    batch, length, width = query.shape
    source = key.shape[1]
    projections = batch * width * width * (2 * length + 2 * source)
    scores = batch * length * source
    return Cost(projections + 2 * scores * width, 0, 6 * scores * args[4])


def _fused_encoder_layer(args: Args, out: Any) -> Cost:
    """Attention as above and the two linear layers of the feed-forward part."""
    source, width, heads = args[0], args[1], args[2]
    batch, length, _ = source.shape
    weights = [a for a in args if isinstance(a, Tensor) and a.dim() == 2]
    projections = batch * length * sum(w.numel() for w in weights)
    scores = batch * length * length
    return Cost(projections + 2 * scores * width, 0, 6 * scores * heads)


def _recurrent(args: Args, out: Any) -> Cost:
    """Every weight matrix once per step and sequence; gates' arithmetic per hidden element."""
    if isinstance(args[3], (list, tuple)):  # packed sequence: data, batch_sizes, hx, weights
        steps, weights = args[0].shape[0], args[3]
    else:
        steps, weights = args[0].shape[0] * args[0].shape[1], args[2]
    matrices = sum(w.numel() for w in weights if w.dim() == 2)
    biases = sum(w.numel() for w in weights if w.dim() == 1)
    return Cost(steps * matrices, steps * biases, steps * biases)


def _batch_norm(args: Args, out: Any) -> Cost:
    training = args[5]
    return Cost(0, 0, (7 if training else 2) * args[0].numel())


def _norm(args: Args, out: Any) -> Cost:
    return Cost(0, 0, 7 * args[0].numel())


def _softmax(args: Args, out: Any) -> Cost:
    return Cost(0, 0, 5 * out.numel())


def _per_output(args: Args, out: Any) -> Cost:
    return Cost(0, 0, _numel(out))


def _per_input(args: Args, out: Any) -> Cost:
    tensor = args[0]
    return Cost(0, 0, _numel(tensor))


def _dropout(args: Args, out: Any) -> Cost:
    """Scale and mask in training, nothing in eval."""
    training = args[2] if len(args) > 2 else True
    return Cost(0, 0, 2 * _numel(out)) if training else FREE


def _window_pool(args: Args, out: Any) -> Cost:
    out = out[0] if isinstance(out, tuple) else out
    kernel, dims = args[1], args[0].dim() - 2
    if isinstance(kernel, int):
        kernel = (kernel,)
    window = kernel[0] ** dims if len(kernel) == 1 else prod(kernel)
    return Cost(0, 0, window * out.numel())


def _upsample(args: Args, out: Any) -> Cost:
    return Cost(0, 0, 7 * out.numel())


def _free(args: Args, out: Any) -> Cost:
    return FREE


_BY_KIND: dict[str, Rule] = {
    "linear": _linear,
    "normalization": _norm,
    "activation": _per_output,
    "softmax": _softmax,
    "add": _per_output,
    "multiply": _per_output,
    "elementwise": _per_output,
    "reduction": _per_input,
    "pooling": _window_pool,
    "upsample": _upsample,
    "dropout": _dropout,
    **dict.fromkeys(
        ("concat", "reshape", "padding", "embedding", "indexing", "constant", "bookkeeping"), _free
    ),
}

_BY_NAME: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed_convolution
    ),
    "convolution": _any_convolution,
    "_convolution": _any_convolution,
    "deform_conv2d": _deformable_convolution,
    **dict.fromkeys(
        ("mm", "bmm", "matmul", "mv", "dot", "vdot", "inner", "cdist", "_cdist_forward"), _matmul
    ),
    **dict.fromkeys(("addmm", "addmv", "baddbmm", "_addmm_activation"), _matmul_plus),
    "addbmm": _addbmm,
    "bilinear": _bilinear,
    "outer": _outer,
    "addr": _outer,
    "scaled_dot_product_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_native_multi_head_attention": _fused_mha,
    "_transformer_encoder_layer_fwd": _fused_encoder_layer,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    "batch_norm": _batch_norm,
    "native_batch_norm": _batch_norm,
    **dict.fromkeys(
        (
            "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
            "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
        ),
        _per_input,
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
         "_upsample_nearest_exact2d", "max_unpool2d", "max_unpool3d"),
        _free,
    ),
}  # fmt: skip


def rule_for(name: str, kind: str) -> Rule | None:
    """Return the cost rule of an op, or None if there is none (run it decomposed, or unknown)."""
    return _BY_NAME.get(name) or _BY_NAME.get(name.rstrip("_")) or _BY_KIND.get(kind)
