"""The examples of the guide are tests; of a pitfall page those with a prompt are: the others bite on purpose."""

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

guide = Sybil(parsers=[PythonCodeBlockParser(doctest_optionflags=0), SkipParser()], patterns=["guide.md"])
pitfalls = Sybil(parsers=[DocTestParser()], patterns=["pitfalls/*.md"])

pytest_collect_file = (guide + pitfalls).pytest()
