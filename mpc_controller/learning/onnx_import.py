"""Networks that were trained elsewhere, from ONNX files: y (batch, m) of one input (batch, n), as a chain of layers.

Normalisations of inputs and outputs, and of layers over a batch, are folded into weights; products are formed in double
precision, so that outputs agree with the file's to single precision. What has no place in a Network is an error that names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from mpc_controller.learning.affine import Source, Special, source_itself
from mpc_controller.learning.layer_chain import layer_chain
from mpc_controller.learning.onnx_graph import BATCH, FLOATS, Graph, NetworkImportError, Node, Operand, Value
from mpc_controller.learning.onnx_nodes import evaluate
from mpc_controller.model.residual.network import Activation, Network


@final
@dataclass(frozen=True, eq=False)
class ImportedNetwork:
    """A network with what its file calls its input (batch, network.shape.inputs) and output (batch, network.shape.outputs)."""

    network: Network
    input_name: str
    output_name: str
    opset: int
    producer: str


def import_onnx(path: Path) -> ImportedNetwork:
    """Read an ONNX file, with the weights beside it if it has them there. Raises NetworkImportError."""
    model = _load(path)
    try:
        return _imported(model)
    except NetworkImportError as error:
        raise NetworkImportError(f"{path}: {error}") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise NetworkImportError(f"{path}: not a network that can be taken over: {' '.join(str(error).split())}") from None


def _load(path: Path) -> Any:
    """The model, with its functions written out."""
    try:
        import onnx
        import onnx.inliner
    except ImportError:
        raise NetworkImportError(
            f"{path}: networks from ONNX files need a package that is not there; pip install 'mpc_controller[learn]'"
        ) from None
    if not path.is_file():
        raise NetworkImportError(f"{path}: no such file; it must be a network in ONNX format")
    try:
        model = onnx.load(str(path))
        if not model.HasField("graph") or not model.opset_import:
            raise ValueError("it holds no network")
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:  # onnx raises its own kinds, Protobuf's, and files'
        raise NetworkImportError(f"{path}: cannot be read as ONNX: {' '.join(str(error).split())}") from None


def _imported(model: Any) -> ImportedNetwork:
    from onnx import numpy_helper

    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    tensors: dict[str, Operand] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    input_name, value, batch = _input(graph, tensors)
    (source,) = value.affine.terms
    built = Graph([source])
    tensors[input_name] = value
    if len(graph.output) != 1:
        raise NetworkImportError(f"has outputs {_listed(graph.output)}; one is supported")
    output_name = graph.output[0].name
    consumers = Counter(name for node in graph.node for name in node.input)
    for proto in graph.node:
        result = _result(proto, tensors, built, opset, batch)
        # A sum that several nodes take is one of the network's values, not to be formed in each of them.
        if isinstance(result, Value) and consumers[proto.output[0]] > 1 and not result.affine.is_just_a_source():
            shared = built.source(Activation.IDENTITY, result.affine, _name(proto))
            result = Value(shared, result.axes)
        tensors[proto.output[0]] = result
    output = tensors.get(output_name)
    if not isinstance(output, Value):
        raise NetworkImportError(f"output '{output_name}' does not depend on input '{input_name}'")
    network = layer_chain(built.sources, output.affine)
    return ImportedNetwork(network, input_name, output_name, opset, f"{model.producer_name} {model.producer_version}".strip())


def _input(graph: Any, constants: Mapping[str, Operand]) -> tuple[str, Value, int]:
    """Name and value of the one input (batch, n), and the size of the batch, 0 where any is taken."""
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise NetworkImportError(f"has inputs {_listed(inputs)}; one of shape (batch, n) is supported")
    name, tensor = inputs[0].name, inputs[0].type.tensor_type
    if tensor.elem_type not in FLOATS:
        raise NetworkImportError(f"input '{name}' is not of a floating-point type")
    sizes = [entry.dim_value if entry.HasField("dim_value") else entry.dim_param or "?" for entry in tensor.shape.dim]
    if len(sizes) != 2 or not isinstance(sizes[1], int) or sizes[1] < 1:
        raise NetworkImportError(
            f"input '{name}' has shape ({', '.join(map(str, sizes))}); it must be (batch, n) with a fixed n"
        )
    value = Value(source_itself(Source(sizes[1], Special.INPUT, name=name)), (BATCH, sizes[1]))
    return name, value, sizes[0] if isinstance(sizes[0], int) else 0


def _result(proto: Any, tensors: Mapping[str, Operand], graph: Graph, opset: int, batch: int) -> Operand:
    """The first output of a node: a constant where it is given constants only."""
    from onnx import helper

    if unknown := [name for name in proto.input if name and name not in tensors]:
        raise NetworkImportError(f"node '{_name(proto)}' ({proto.op_type}) takes '{unknown[0]}', which nothing before it gives")
    operands = [tensors[name] if name else None for name in proto.input]
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in proto.attribute}
    kind = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    node = Node(kind, _name(proto), attributes, operands, sum(bool(name) for name in proto.output), batch)
    if any(isinstance(operand, Value) for operand in operands):
        return evaluate(node, graph)
    return _constant(proto, node, opset)


def _constant(proto: Any, node: Node, opset: int) -> Operand:
    """What a node of constants gives, as the reference implementation of ONNX says."""
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(proto.input, node.operands, strict=True) if name}
    try:
        result = ReferenceEvaluator(proto, opsets={"": opset}).run(None, feeds)[0]
    except Exception as error:  # of any kind: whatever an operator's implementation meets
        raise node.error(f"of constants cannot be evaluated: {' '.join(str(error).split())}") from None
    return np.asarray(result)


def _name(proto: Any) -> str:
    """A node's own name, or that of its output where it has none."""
    return str(proto.name or (proto.output[0] if proto.output else ""))


def _listed(entries: Any) -> str:
    return ", ".join(f"'{entry.name}'" for entry in entries) or "none"
