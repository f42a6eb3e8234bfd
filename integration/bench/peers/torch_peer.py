"""transformers and torch by hand."""

from line import Line
from torch_model import Model

line = Line()
line.run(Model(line.c))
