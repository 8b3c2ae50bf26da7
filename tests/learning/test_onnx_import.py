"""Networks from ONNX files give what ONNX Runtime gives for the same file."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc_controller.learning.onnx_import import ImportedNetwork, NetworkImportError, import_onnx
from mpc_controller.model.residual.network import NO_SKIP, Activation
from mpc_controller.model.residual.residual import ResidualShape
from mpc_controller.native.native_residual import NativeResidual
from tests.model.residual_reference import network_reference
from tests.model.residuals import residual_of

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

OLDEST = 13
NAMES = {"float16": "FLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}


class Graph:
    """An ONNX graph, node by node; each method gives the name of a tensor."""

    def __init__(self, inputs: int, seed: int = 0, precision: str = "float32") -> None:
        self.inputs, self.random, self.precision = inputs, np.random.default_rng(seed), np.dtype(precision)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, values: Any, precision: Any = None) -> str:
        name = f"c{len(self.initializers)}"
        array = np.asarray(values, precision or self.precision)
        self.initializers.append(onnx.numpy_helper.from_array(array, name))
        return name

    def numbers(self, *shape: int) -> str:
        return self.constant(self.random.standard_normal(shape) / np.sqrt(shape[0]))

    def positive(self, *shape: int) -> str:
        return self.constant(0.5 + self.random.random(shape))

    def node(self, kind: str, *operands: str, **attributes: Any) -> str:
        output = f"t{len(self.nodes)}"
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(operands), [output], name=name, **attributes))
        return output

    def dense(self, given: str, inputs: int, outputs: int) -> str:
        return self.node("Gemm", given, self.numbers(inputs, outputs), self.numbers(outputs))

    def model(
        self, output: str, opset: int = 17, batch: int | str = "batch", outputs: Sequence[int | str] | None = None
    ) -> Any:
        kind = getattr(onnx.TensorProto, NAMES[str(self.precision)])
        graph = onnx.helper.make_graph(
            self.nodes,
            "network",
            [onnx.helper.make_tensor_value_info("x", kind, [batch, self.inputs])],
            [onnx.helper.make_tensor_value_info(output, kind, outputs)],
            self.initializers,
        )
        opsets = [onnx.helper.make_opsetid("", opset)]
        return onnx.helper.make_model(
            graph, opset_imports=opsets, ir_version=onnx.helper.find_min_ir_version_for(opsets), producer_name="test"
        )


def assert_agrees(model: Any, path: Path, tolerance: float = 1e-5, batch: int = 7) -> ImportedNetwork:
    """Imported and run by ONNX Runtime: the same outputs, relative to the largest."""
    file = path / "network.onnx"
    onnx.save(model, str(file))
    imported = import_onnx(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}[
        session.get_inputs()[0].type
    ]
    x = np.random.default_rng(1).standard_normal((batch, imported.network.shape.inputs)).astype(kind)
    expected = np.asarray(session.run(None, {imported.input_name: x})[0], float).reshape(batch, -1)
    y, _ = network_reference(imported.network, x.astype(float))
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))
    return imported


def newest_opset() -> int:
    """The newest operator set that ONNX Runtime runs without being told to allow what is not released."""
    graph = Graph(1)
    output = graph.node("Tanh", "x")
    for opset in range(onnx.defs.onnx_opset_version(), OLDEST, -1):
        try:
            onnxruntime.InferenceSession(graph.model(output, opset).SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception:
            continue
        return opset
    return OLDEST


def silu(graph: Graph, given: str) -> str:
    return graph.node("Mul", given, graph.node("Sigmoid", given))


def scaled_swish(graph: Graph, given: str) -> str:
    gate = graph.node("Sigmoid", graph.node("Mul", given, graph.constant(1.7)))
    return graph.node("Mul", gate, given)


def gelu_of_erf(graph: Graph, given: str) -> str:
    """As exporters write it for operator sets before 20."""
    erf = graph.node("Erf", graph.node("Div", given, graph.constant(np.sqrt(2))))
    return graph.node("Mul", graph.node("Mul", given, graph.node("Add", erf, graph.constant(1))), graph.constant(0.5))


def gelu_of_tanh(graph: Graph, given: str) -> str:
    """As PyTorch writes the approximation for operator sets before 20."""
    cube = graph.node("Mul", given, graph.node("Mul", given, given))
    inner = graph.node("Add", given, graph.node("Mul", graph.constant(0.044715), cube))
    tanh = graph.node("Tanh", graph.node("Mul", graph.constant(np.sqrt(2 / np.pi)), inner))
    whole = graph.node("Mul", given, graph.node("Add", graph.constant(1), tanh))
    return graph.node("Mul", graph.constant(0.5), whole)


def gelu_of_power(graph: Graph, given: str) -> str:
    """As TensorFlow writes it."""
    cube = graph.node("Mul", graph.node("Pow", given, graph.constant(3)), graph.constant(0.044715))
    inner = graph.node("Mul", graph.node("Add", given, cube), graph.constant(0.7978846))
    half = graph.node("Mul", given, graph.constant(0.5))
    return graph.node("Mul", half, graph.node("Add", graph.node("Tanh", inner), graph.constant(1)))


def layer_normalization(graph: Graph, given: str, epsilon: float = 1e-5) -> str:
    return graph.node(
        "LayerNormalization", given, graph.positive(6), graph.constant(0.1 * np.arange(6)), axis=-1, epsilon=epsilon
    )


def batch_normalization(graph: Graph, given: str) -> str:
    vectors = (graph.positive(6), graph.numbers(6), graph.numbers(6), graph.positive(6))
    return graph.node("BatchNormalization", given, *vectors, epsilon=1e-3)


def simple(kind: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, given: graph.node(kind, given, **attributes)


# What stands between two dense layers, the layers of the whole, and the first operator set that has it.
BETWEEN: dict[str, tuple[Callable[[Graph, str], str], tuple[Activation, ...], int]] = {
    "relu": (simple("Relu"), (Activation.RELU,), OLDEST),
    "leaky_relu": (simple("LeakyRelu", alpha=0.01), (Activation.LEAKY_RELU,), OLDEST),
    "leaky_relu by default": (simple("LeakyRelu"), (Activation.LEAKY_RELU,), OLDEST),
    "leaky_relu with another slope": (simple("LeakyRelu", alpha=0.2), (Activation.LEAKY_RELU,), OLDEST),
    "leaky_relu that turns": (simple("LeakyRelu", alpha=-0.7), (Activation.LEAKY_RELU,), OLDEST),
    "prelu": (lambda g, t: g.node("PRelu", t, g.constant([0.25])), (Activation.LEAKY_RELU,), OLDEST),
    "elu": (simple("Elu"), (Activation.ELU,), OLDEST),
    "elu of another size": (simple("Elu", alpha=0.5), (Activation.ELU,), OLDEST),
    "selu": (simple("Selu"), (Activation.ELU,), OLDEST),
    "celu": (simple("Celu", alpha=0.4), (Activation.ELU,), OLDEST),
    "gelu": (simple("Gelu"), (Activation.GELU,), 20),
    "gelu of erf": (gelu_of_erf, (Activation.GELU,), OLDEST),
    "gelu by tanh": (simple("Gelu", approximate="tanh"), (Activation.GELU_TANH,), 20),
    "gelu of tanh": (gelu_of_tanh, (Activation.GELU_TANH,), OLDEST),
    "gelu of tanh and a power": (gelu_of_power, (Activation.GELU_TANH,), OLDEST),
    "sigmoid": (simple("Sigmoid"), (Activation.SIGMOID,), OLDEST),
    "tanh": (simple("Tanh"), (Activation.TANH,), OLDEST),
    "softplus": (simple("Softplus"), (Activation.SOFTPLUS,), OLDEST),
    "silu": (silu, (Activation.SILU,), OLDEST),
    "scaled swish": (scaled_swish, (Activation.SILU,), OLDEST),
    "cos": (simple("Cos"), (Activation.COS,), OLDEST),
    "sin": (simple("Sin"), (Activation.COS,), OLDEST),
    "layer normalization": (layer_normalization, (Activation.NORMALIZED,), 17),
    "its epsilon": (lambda g, t: layer_normalization(g, t, 0.1), (Activation.NORMALIZED,), 17),
    "normalized, then tanh": (
        lambda g, t: g.node("Tanh", layer_normalization(g, t)),
        (Activation.NORMALIZED, Activation.TANH),
        17,
    ),
    "batch normalization": (batch_normalization, (), OLDEST),
    "batch normalization, then relu": (lambda g, t: g.node("Relu", batch_normalization(g, t)), (Activation.RELU,), OLDEST),
    "identity": (simple("Identity"), (), OLDEST),
    "neg": (simple("Neg"), (), OLDEST),
    "dropout": (simple("Dropout"), (), OLDEST),
    "flatten": (simple("Flatten"), (), OLDEST),
    "cast": (simple("Cast", to=1), (), OLDEST),
    "reshape to (-1, n)": (lambda g, t: g.node("Reshape", t, g.constant([-1, 6], "int64")), (), OLDEST),
    "reshape to (0, -1)": (lambda g, t: g.node("Reshape", t, g.constant([0, -1], "int64")), (), OLDEST),
    "unsqueeze and squeeze": (
        lambda g, t: g.node("Squeeze", g.node("Unsqueeze", t, g.constant([1], "int64")), g.constant([-2], "int64")),
        (),
        OLDEST,
    ),
    "unsqueeze and flatten": (lambda g, t: g.node("Flatten", g.node("Unsqueeze", t, g.constant([2], "int64"))), (), OLDEST),
    "transpose that turns nothing": (simple("Transpose", perm=[0, 1]), (), OLDEST),
    "add": (lambda g, t: g.node("Add", t, g.numbers(6)), (), OLDEST),
    "add a row": (lambda g, t: g.node("Add", g.numbers(1, 6), t), (), OLDEST),
    "sub": (lambda g, t: g.node("Sub", t, g.numbers(6)), (), OLDEST),
    "sub from": (lambda g, t: g.node("Sub", g.numbers(6), t), (), OLDEST),
    "mul": (lambda g, t: g.node("Mul", g.positive(6), t), (), OLDEST),
    "div": (lambda g, t: g.node("Div", t, g.positive(6)), (), OLDEST),
    "div by one number": (lambda g, t: g.node("Div", t, g.constant(3)), (), OLDEST),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_stands_between_two_dense_layers_agrees(what: str, tmp_path: Path) -> None:
    build, activations, since = BETWEEN[what]
    for opset in sorted({since, max(since, 17), newest_opset()}):
        graph = Graph(4)
        output = graph.dense(build(graph, graph.dense("x", 4, 6)), 6, 3)
        imported = assert_agrees(graph.model(output, opset), tmp_path)
        layers = imported.network.shape.layers
        assert tuple(layer.activation for layer in layers) == (*activations, Activation.IDENTITY)
        assert (imported.input_name, imported.output_name, imported.opset) == ("x", output, opset)


@pytest.mark.parametrize("opset", range(OLDEST, newest_opset() + 1))
def test_every_operator_set_is_read(opset: int, tmp_path: Path) -> None:
    graph = Graph(4)
    hidden = gelu_of_erf(graph, batch_normalization(graph, graph.dense("x", 4, 6)))
    squeezed = graph.node(
        "Squeeze", graph.node("Unsqueeze", hidden, graph.constant([0], "int64")), graph.constant([0], "int64")
    )
    assert_agrees(graph.model(graph.dense(graph.node("Dropout", squeezed), 6, 2), opset), tmp_path)


def test_gemm_has_factors_and_turned_weights(tmp_path: Path) -> None:
    graph = Graph(4)
    hidden = graph.node("Gemm", "x", graph.numbers(6, 4), graph.numbers(6), alpha=0.5, beta=2.0, transB=1)
    output = graph.node("Gemm", graph.node("Relu", hidden), graph.numbers(6, 3), alpha=2.0)
    assert_agrees(graph.model(output), tmp_path)


def test_weights_may_be_constants_that_nodes_make(tmp_path: Path) -> None:
    graph = Graph(4)
    tensor = onnx.numpy_helper.from_array(graph.random.standard_normal((6, 4)).astype(np.float32))
    weight = graph.node("Transpose", graph.node("Constant", value=tensor))
    half = graph.node("Cast", graph.constant(np.ones((1, 6)), "float16"), to=1)
    bias = graph.node("Squeeze", half, graph.constant([0], "int64"))
    hidden = graph.node("Tanh", graph.node("Add", graph.node("MatMul", "x", weight), bias))
    scale = graph.node("Sqrt", graph.node("Add", graph.positive(6), graph.constant(1e-3)))
    assert_agrees(graph.model(graph.dense(graph.node("Div", hidden, scale), 6, 2)), tmp_path)


def test_normalised_inputs_and_outputs_are_part_of_the_layers(tmp_path: Path) -> None:
    graph = Graph(4)
    given = graph.node("Div", graph.node("Sub", "x", graph.numbers(4)), graph.positive(4))
    output = graph.dense(graph.node("Tanh", graph.dense(given, 4, 6)), 6, 3)
    output = graph.node("Add", graph.node("Mul", output, graph.positive(3)), graph.numbers(3))
    assert len(assert_agrees(graph.model(output), tmp_path).network.shape.layers) == 2


def skips(imported: ImportedNetwork) -> list[tuple[str, int]]:
    return [(str(layer.activation), layer.skip) for layer in imported.network.shape.layers]


def test_a_skip_before_an_activation_is_one_of_its_layer(tmp_path: Path) -> None:
    graph = Graph(4)
    first = graph.node("Tanh", graph.dense("x", 4, 6))
    second = graph.node("Tanh", graph.dense(first, 6, 6))
    third = graph.node("Relu", graph.node("Add", graph.dense(second, 6, 6), first))
    imported = assert_agrees(graph.model(graph.dense(third, 6, 2)), tmp_path)
    assert skips(imported) == [("tanh", NO_SKIP), ("tanh", NO_SKIP), ("relu", 1), ("identity", NO_SKIP)]


def test_a_skip_behind_an_activation_takes_a_layer_without(tmp_path: Path) -> None:
    graph = Graph(4)
    first = graph.node("Tanh", graph.dense("x", 4, 6))
    second = graph.node("Add", first, graph.node("Tanh", graph.dense(first, 6, 6)))
    third = graph.node("Add", second, graph.node("Tanh", graph.dense(second, 6, 6)))
    imported = assert_agrees(graph.model(graph.dense(third, 6, 2)), tmp_path)
    tanh, plain = ("tanh", NO_SKIP), ("identity", NO_SKIP)
    assert skips(imported) == [tanh, tanh, ("identity", 1), tanh, ("identity", 3), plain]


def test_the_input_itself_may_be_skipped_to(tmp_path: Path) -> None:
    graph = Graph(4)
    hidden = graph.node("Tanh", graph.dense("x", 4, 6))
    imported = assert_agrees(graph.model(graph.node("Add", graph.dense(hidden, 6, 4), "x")), tmp_path)
    assert skips(imported) == [("tanh", NO_SKIP), ("identity", 0)]


def test_a_skip_through_weights_brings_the_earlier_output_back(tmp_path: Path) -> None:
    graph = Graph(4)
    hidden = graph.node("Tanh", graph.dense(graph.node("Relu", graph.dense("x", 4, 6)), 6, 6))
    output = graph.node("Tanh", graph.node("Add", graph.dense(hidden, 6, 3), graph.dense("x", 4, 3)))
    assert_agrees(graph.model(output), tmp_path)


@pytest.mark.parametrize("first", ["layer normalization", "batch normalization, then relu"])
def test_residual_blocks_with_normalisation_in_front(first: str, tmp_path: Path) -> None:
    graph, build = Graph(4), BETWEEN[first][0]
    stream = graph.dense("x", 4, 6)
    for _ in range(4):
        inner = silu(graph, graph.dense(build(graph, stream), 6, 8))
        stream = graph.node("Add", graph.dense(inner, 8, 6), stream)
    imported = assert_agrees(graph.model(graph.dense(stream, 6, 2)), tmp_path)
    assert len(imported.network.shape.layers) <= 1 + 4 * 3 + 1


def test_residual_blocks_with_normalisation_behind(tmp_path: Path) -> None:
    graph = Graph(4)
    stream = graph.node("Relu", graph.dense("x", 4, 6))
    for k in range(3):
        inner = graph.dense(gelu_of_erf(graph, graph.dense(stream, 6, 8)), 8, 6)
        stream = layer_normalization(graph, graph.node("Add", stream, inner), epsilon=(1e-5, 1e-6, 1e-12)[k])
    assert_agrees(graph.model(graph.dense(stream, 6, 2)), tmp_path)


def test_sums_of_many_outputs_agree(tmp_path: Path) -> None:
    """Everything before is added to everything behind: one skip a layer is not enough."""
    graph = Graph(6)
    outputs = ["x"]
    for _ in range(4):
        whole = outputs[0]
        for one in outputs[1:]:
            whole = graph.node("Add", whole, graph.node("Mul", one, graph.positive(6)) if len(outputs) % 2 else one)
        outputs.append(graph.node("Tanh", graph.dense(whole, 6, 6)))
    output = graph.node("Sub", graph.dense(outputs[-1], 6, 6), graph.node("Add", outputs[1], outputs[3]))
    assert_agrees(graph.model(output), tmp_path)


def test_an_activation_may_come_last_and_be_all_there_is(tmp_path: Path) -> None:
    graph = Graph(3)
    assert skips(assert_agrees(graph.model(graph.node("Tanh", "x")), tmp_path)) == [("tanh", NO_SKIP)]
    graph = Graph(3)
    assert skips(assert_agrees(graph.model(graph.node("Identity", "x")), tmp_path)) == [("identity", NO_SKIP)]
    graph = Graph(3)
    assert skips(assert_agrees(graph.model(graph.node("Sub", "x", "x")), tmp_path)) == [("identity", NO_SKIP)]


def test_what_leads_nowhere_takes_no_layer(tmp_path: Path) -> None:
    graph = Graph(3)
    graph.node("Erf", graph.dense("x", 3, 5))
    assert len(assert_agrees(graph.model(graph.node("Tanh", graph.dense("x", 3, 2))), tmp_path).network.shape.layers) == 1


@pytest.mark.parametrize("batch", [1, 7, "N"])
def test_a_batch_is_of_fixed_size_or_of_any(batch: int | str, tmp_path: Path) -> None:
    graph = Graph(4)
    flat = graph.node("Reshape", graph.dense("x", 4, 6), graph.constant([batch if batch != "N" else -1, 6], "int64"))
    assert_agrees(graph.model(graph.dense(graph.node("Tanh", flat), 6, 2), batch=batch), tmp_path, batch=1 if batch == 1 else 7)


def test_one_number_spreads_over_many_and_may_lose_its_axis(tmp_path: Path) -> None:
    graph = Graph(4)
    one, many = graph.dense("x", 4, 1), graph.node("Tanh", graph.dense("x", 4, 5))
    spread = graph.node("Add", graph.node("Mul", one, graph.numbers(5)), graph.node("Add", many, one))
    output = graph.node("Squeeze", graph.dense(spread, 5, 1), graph.constant([1], "int64"))
    assert_agrees(graph.model(output), tmp_path)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-5), ("float16", 1e-2)])
def test_other_precisions_are_read(precision: str, tolerance: float, tmp_path: Path) -> None:
    graph = Graph(4, precision=precision)
    assert_agrees(graph.model(graph.dense(graph.node("Tanh", graph.dense("x", 4, 6)), 6, 2)), tmp_path, tolerance)


def test_weights_may_lie_beside_the_file(tmp_path: Path) -> None:
    graph = Graph(40)
    model = graph.model(graph.dense(graph.node("Relu", graph.dense("x", 40, 60)), 60, 2))
    onnx.save(model, str(tmp_path / "a.onnx"), save_as_external_data=True, location="a.data", size_threshold=0)
    network = import_onnx(tmp_path / "a.onnx").network
    onnx.save(model, str(tmp_path / "b.onnx"))
    for one, other in zip(network.weights, import_onnx(tmp_path / "b.onnx").network.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "a.data").unlink()
    with pytest.raises(NetworkImportError, match=r"a\.onnx: cannot be read as ONNX: .*a\.data"):
        import_onnx(tmp_path / "a.onnx")


def test_functions_of_the_file_are_written_out(tmp_path: Path) -> None:
    graph = Graph(4)
    twice = onnx.helper.make_node("Mul", ["a", "g"], ["b"])
    gate = onnx.helper.make_node("Sigmoid", ["a"], ["g"])
    opsets = [onnx.helper.make_opsetid("", 17)]
    function = onnx.helper.make_function("local", "MySilu", ["a"], ["b"], [gate, twice], opsets)
    model = graph.model(graph.dense(graph.node("MySilu", graph.dense("x", 4, 6), domain="local"), 6, 2))
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("local", 1))
    assert [name for name, _ in skips(assert_agrees(model, tmp_path))] == ["silu", "identity"]


def refused(graph: Graph, output: str, tmp_path: Path, **options: Any) -> str:
    onnx.save(graph.model(output, **options), str(tmp_path / "a.onnx"))
    with pytest.raises(NetworkImportError) as caught:
        import_onnx(tmp_path / "a.onnx")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.onnx'}: ")
    assert "\n" not in message
    return message


def almost_gelu(graph: Graph) -> str:
    """With another constant than gelu's."""
    cube = graph.node("Mul", graph.node("Pow", "x", graph.constant(3)), graph.constant(0.05))
    tanh = graph.node("Tanh", graph.node("Mul", graph.node("Add", "x", cube), graph.constant(0.7978846)))
    return graph.node("Mul", "x", tanh)


REFUSED: dict[str, Callable[[Graph], str]] = {
    "node 'softmax_0' (Softmax) is not supported; supported are Add, BatchNormalization": lambda g: g.node("Softmax", "x"),
    "node 'gelu_0' (com.microsoft.Gelu) is not supported": lambda g: g.node("Gelu", "x", domain="com.microsoft"),
    "node 'prelu_0' (PRelu) has 4 slopes that differ": lambda g: g.node("PRelu", "x", g.numbers(4)),
    "node 'elu_0' (Elu) has alpha nan; it must be a finite number": lambda g: g.node("Elu", "x", alpha=np.nan),
    "node 'gelu_0' (Gelu) is approximated by 'sigmoid'; only none and tanh": lambda g: g.node(
        "Gelu", "x", approximate="sigmoid"
    ),
    "node 'mul_0' (Mul): square is no activation of a layer": lambda g: g.node("Mul", "x", "x"),
    "node 'pow_0' (Pow): cube is no activation of a layer": lambda g: g.node("Pow", "x", g.constant(3)),
    "node 'pow_0' (Pow) raises values to a power": lambda g: g.node("Pow", "x", g.constant(0.5)),
    "node 'mul_5' (Mul) multiplies two values; only x·sigmoid(x) and gelu": lambda g: almost_gelu(g),
    "node 'mul_1' (Mul) multiplies two values": lambda g: g.node("Mul", "x", g.node("Tanh", "x")),
    "node 'div_0' (Div) divides by a value": lambda g: g.node("Div", g.numbers(4), "x"),
    "node 'erf_0' (Erf): erf is no activation of a layer": lambda g: g.node("Erf", "x"),
    "node 'gemm_0' (Gemm) turns its first input": lambda g: g.node("Gemm", "x", g.numbers(4, 4), transA=1),
    "node 'matmul_0' (MatMul) has no constant as input 1": lambda g: g.node("MatMul", "x", "x"),
    "node 'matmul_0' (MatMul) has no value that depends on": lambda g: g.node("MatMul", g.numbers(4, 4), "x"),
    "node 'matmul_0' (MatMul) has weights of shape (3, 4) for 4 numbers": lambda g: g.node("MatMul", "x", g.numbers(3, 4)),
    "node 'add_0' (Add) has a constant of shape (7, 4)": lambda g: g.node("Add", "x", g.numbers(7, 4)),
    "node 'add_0' (Add) combines 4 and 3 numbers": lambda g: g.node("Add", "x", g.numbers(3)),
    "node 'reshape_0' (Reshape) turns axes (batch, 4) into (-1, 2)": lambda g: g.node(
        "Reshape", "x", g.constant([-1, 2], "int64")
    ),
    "node 'transpose_0' (Transpose) turns values": lambda g: g.node("Transpose", "x"),
    "node 'relu_1' (Relu) is given axes (batch, 1, 4)": lambda g: g.node(
        "Relu", g.node("Unsqueeze", "x", g.constant([1], "int64"))
    ),
    "node 'cast_0' (Cast) rounds values": lambda g: g.node("Cast", "x", to=7),
    "node 'dropout_0' (Dropout) is of a network in training": lambda g: g.node(
        "Dropout", "x", g.constant(0.5), g.constant(True, "bool")
    ),
    "node 'layernormalization_0' (LayerNormalization) is along axis 0": lambda g: g.node(
        "LayerNormalization", "x", g.numbers(4), axis=0
    ),
    "node 'tanh_0' (Tanh) takes 'nothing', which nothing before it gives": lambda g: g.node("Tanh", "nothing"),
    "output 't0' does not depend on input 'x'": lambda g: g.node("Neg", g.numbers(1, 4)),
    "node 'matmul_0' (MatMul) of constants cannot be evaluated": lambda g: g.node("MatMul", g.numbers(2, 3), g.numbers(2, 3)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_place_in_a_network_is_named(message: str, tmp_path: Path) -> None:
    graph = Graph(4)
    assert message in refused(graph, REFUSED[message](graph), tmp_path)


def test_weights_that_are_not_finite_in_single_precision_are_refused(tmp_path: Path) -> None:
    graph = Graph(2, precision="float64")
    output = graph.node("Gemm", "x", graph.constant(np.full((2, 2), np.nan)))
    assert "Network: layer 1 holds numbers that are not finite" in refused(graph, output, tmp_path)


def test_inputs_and_outputs_other_than_one_row_a_point_are_named(tmp_path: Path) -> None:
    graph = Graph(4)
    output = graph.node("Tanh", "x")
    for sizes, message in {
        ("batch", 3, 4): "input 'x' has shape (batch, 3, 4); it must be (batch, n)",
        (4,): "input 'x' has shape (4); it must be (batch, n)",
        ("batch", "n"): "input 'x' has shape (batch, n); it must be (batch, n) with a fixed n",
    }.items():
        model = graph.model(output)
        model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, sizes))
        onnx.save(model, str(tmp_path / "a.onnx"))
        with pytest.raises(NetworkImportError) as caught:
            import_onnx(tmp_path / "a.onnx")
        assert message in str(caught.value)
    for where, message in (("input", "has inputs 'x', 'more'; one of"), ("output", "has outputs 't0', 'more'; one is")):
        model = graph.model(output)
        more = onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ("batch", 4))
        getattr(model.graph, where).append(more)
        onnx.save(model, str(tmp_path / "a.onnx"))
        with pytest.raises(NetworkImportError, match=message):
            import_onnx(tmp_path / "a.onnx")


def test_files_that_are_missing_or_something_else_are_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkImportError, match=r"a\.onnx: no such file; it must be a network in ONNX format"):
        import_onnx(tmp_path / "a.onnx")
    for content in (b"", b"mass = 1\n", bytes(100)):
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(NetworkImportError, match=r"a\.onnx: cannot be read as ONNX"):
            import_onnx(tmp_path / "a.onnx")


def test_a_missing_package_is_named_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_onnx(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(NetworkImportError, match=r"pip install 'mpc_controller\[learn\]'"):
        import_onnx(tmp_path / "a.onnx")


def test_compiled_code_gives_what_onnx_runtime_gives(tmp_path: Path) -> None:
    """Every activation with constants of its own, and both forms of gelu, in one network."""
    graph, hidden = Graph(6), "x"
    for number, kind in enumerate(
        ("leaky_relu with another slope", "elu of another size", "gelu by tanh", "selu", "celu", "gelu")
    ):
        hidden = BETWEEN[kind][0](graph, graph.dense(hidden, 6 if number == 0 else 20, 20))
    imported = assert_agrees(graph.model(graph.dense(hidden, 20, 3), 20), tmp_path)
    shape = ResidualShape(imported.network.shape)
    x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    values, _ = NativeResidual(shape).values(residual_of(shape, (imported.network,)), x.astype(float))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_wide_network_is_read(tmp_path: Path) -> None:
    graph = Graph(12)
    hidden = "x"
    for inputs, outputs in ((12, 512), (512, 512), (512, 512)):
        hidden = graph.node("Relu", graph.dense(hidden, inputs, outputs))
    imported = assert_agrees(graph.model(graph.dense(hidden, 512, 6)), tmp_path)
    assert imported.network.shape.weight_count == 13 * 512 + 2 * 513 * 512 + 513 * 6
