"""ONNX Runtime and tokenizers, without PyTorch. Importing this is heavy."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

# It reports its use to its makers unless it is told not to before it is imported: nothing leaves unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state
from tokenizers import Tokenizer

from mcp_rag.errors import ModelCorrupt

Tokens = Sequence[int]
Integers = NDArray[np.int64]

WHOLE_COPY = "Take a whole copy of the model, made for ONNX Runtime."

# ONNX Runtime's errors have no common base.
ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)


class Session:
    """A model on the CPU. It may be run from several threads at once.

    Raises:
        ModelCorrupt: ONNX Runtime cannot read the file.
    """

    def __init__(self, weights: Path, threads: int) -> None:
        self._session = _open(weights, threads)
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._frugal = onnxruntime.RunOptions()
        # Hands what a batch took back to the system: a store at rest should not hold a batch's memory.
        self._frugal.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, feeds: Mapping[str, Integers], *, frugal: bool = False) -> NDArray[np.float32]:
        """The model's first output, from those of the inputs that it takes. Raises one of ERRORS."""
        taken = {name: value for name, value in feeds.items() if name in self._inputs}
        output: NDArray[np.float32] = self._session.run(None, taken, self._frugal if frugal else None)[0]
        return output


def open_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer that neither pads nor truncates.

    Raises:
        ModelCorrupt: the file cannot be read.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises nothing narrower
        raise ModelCorrupt(f"The model file {path} cannot be read: {error}.", remedy=WHOLE_COPY) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def padded(lines: Sequence[Tokens]) -> Integers:
    """Lines of numbers as one array, filled up with zeros. What pads does not matter, as a mask hides it."""
    rows = np.zeros((len(lines), max(map(len, lines))), np.int64)
    for row, line in enumerate(lines):
        rows[row, : len(line)] = line
    return rows


def _open(weights: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin would take the cores from Postgres, which shares them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Every batch has another shape, and a plan would be kept for each.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise ModelCorrupt(f"The model file {weights} cannot be read: {error}.", remedy=WHOLE_COPY) from error
