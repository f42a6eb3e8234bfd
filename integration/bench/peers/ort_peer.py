"""onnxruntime by hand."""

from line import Line
from ort_model import Model

line = Line()
line.run(Model(line.c))
