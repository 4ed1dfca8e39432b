"""ONNX files with 8-bit weights: a quarter of the bytes to store and send; everything is computed in float32."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from vqa.data.files import whole_file

LEAST = 1024  # numbers of a tensor that is worth it
# The axis of a weight's output channels, each of which has a scale of its own; else the first.
AXIS = {"MatMul": -1, "LSTM": 1, "GRU": 1}
BYTES, SCALE = "_bytes", "_scale"  # of the names of a tensor's two parts
WEIGHTS = "weights"  # the name of what a packed graph reads beside itself


def store_in_8_bits(source: Path, target: Path) -> None:
    """Write `source` with its matrices, filters and embeddings as bytes, each followed by a DequantizeLinear, which the
    runtime computes once, when it loads the file. Symmetric, with a scale for each output channel."""
    proto = simplified(source)
    graph = proto.graph
    reader = {name: node.op_type for node in reversed(graph.node) for name in node.input}
    first = []
    for tensor in list(graph.initializer):
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.ndim < 2 or weights.size < LEAST or tensor.name not in reader:
            continue
        axis = AXIS.get(reader[tensor.name], 0) % weights.ndim
        others = tuple(i for i in range(weights.ndim) if i != axis)
        scale = np.maximum(np.abs(weights).max(others) / 127, np.finfo(np.float32).tiny).astype(np.float32)
        shape = [-1 if i == axis else 1 for i in range(weights.ndim)]
        steps = np.round(weights / scale.reshape(shape)).clip(-127, 127).astype(np.int8)
        graph.initializer.remove(tensor)
        names = [tensor.name + BYTES, tensor.name + SCALE]
        graph.initializer.extend(map(numpy_helper.from_array, (steps, scale), names))
        first.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    with whole_file(target) as new:
        onnx.save(proto, new)


def simplified(source: Path) -> Any:
    """The graph with constants computed and batch norms merged into convolutions, so that loading has less to do."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "simplified.onnx"))
        options.log_severity_level = 3
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        proto = onnx.load(options.optimized_model_filepath)
    helper.set_model_props(proto, {entry.key: entry.value for entry in onnx.load(source).metadata_props})
    return proto


class Packed(NamedTuple):
    """A file of `store_in_8_bits` in three parts: graph, the ONNX file without weights; weights, all scales in float32
    and then all bytes; tensors, for each the numbers (outer, channels, inner) that its shape comes to."""

    graph: bytes
    weights: bytes
    tensors: list[tuple[int, int, int]]


def pack(source: Path) -> Packed:
    """Take the weights out of a file of `store_in_8_bits`. Dequantised one after another, as float32, they are the
    graph's external data: a browser does this faster than its runtime."""
    proto = onnx.load(source)
    graph = proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    scales, steps, tensors, offset = [], [], [], 0
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in stored]:
        parts = [stored[name] for name in node.input]
        scale, values = numpy_helper.to_array(parts[1]), numpy_helper.to_array(parts[0])
        axis = next(entry.i for entry in node.attribute if entry.name == "axis")
        tensors.append((int(np.prod(values.shape[:axis])), values.shape[axis], int(np.prod(values.shape[axis + 1 :]))))
        scales.append(scale.astype("<f4").tobytes())
        steps.append(values.tobytes())
        tensor = onnx.TensorProto(name=node.output[0], data_type=onnx.TensorProto.FLOAT, dims=values.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", 4 * values.size)):
            tensor.external_data.add(key=key, value=str(value))
        offset += 4 * values.size
        graph.node.remove(node)
        for part in parts:
            graph.initializer.remove(part)
        graph.initializer.append(tensor)
    return Packed(proto.SerializeToString(), b"".join(scales + steps), tensors)
