"""The examples of the guide are tests; those of a pitfall page bite on purpose and are not run."""

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=0), SkipParser()], patterns=["guide.md"]
).pytest()
