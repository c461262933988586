"""What experiments found, as objects: figures, tables, widgets and chapters read these.

The files under ``book/results`` are read by each class's `load`; nobody else knows the names in
them. `table` makes a table of rows.
"""

from prunelimit.results.calibrated import CalibrationTable, SearchedNetwork
from prunelimit.results.choices import Choices, LimitsOverDistance, WeightDistances
from prunelimit.results.existence import ExistenceStudy, Expansions
from prunelimit.results.methods import LimitsOfGems, LimitsOverRounds, LimitStudy, MethodsCompared
from prunelimit.results.overview import Overview
from prunelimit.results.parts import ExperimentConfig, FinalMeasurements, Provenance
from prunelimit.results.result import Result
from prunelimit.results.saved import provenance_of, table
from prunelimit.results.verdict import Verdict

__all__ = [
    "CalibrationTable",
    "Choices",
    "ExistenceStudy",
    "Expansions",
    "ExperimentConfig",
    "FinalMeasurements",
    "LimitStudy",
    "LimitsOfGems",
    "LimitsOverDistance",
    "LimitsOverRounds",
    "MethodsCompared",
    "Overview",
    "Provenance",
    "Result",
    "SearchedNetwork",
    "Verdict",
    "WeightDistances",
    "provenance_of",
    "table",
]
