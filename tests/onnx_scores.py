"""Prints the scores, and then what is expected, that onnxruntime computes: FOLDER NAME STEPS COLUMNS LENGTHS."""

import sys

import numpy
import onnxruntime

folder, name, steps, columns, lengths = sys.argv[1:]
steps, columns = int(steps), int(columns)
lengths = numpy.array([int(length) for length in lengths.split(",")], dtype=numpy.int64)
rows = numpy.fromfile(f"{folder}/rows", dtype="<f4")
session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
inputs = [given.name for given in session.get_inputs()]
if "lengths" in inputs:
    found = session.run(None, {"rows": rows.reshape(-1, steps, columns), "lengths": lengths})
else:
    found = session.run(None, {"rows": rows.reshape(-1, columns)})
numbers = list(found[0].ravel())
if len(found) > 1:
    expected = found[1].reshape(len(lengths), steps, columns)
    expected = numpy.where(numpy.arange(steps)[None, :, None] < lengths[:, None, None], expected, 0)
    numbers += list(expected.ravel())
print("\n".join(repr(float(number)) for number in numbers))
