"""Decides with the engine that Flagsmith's server pins: which segments each identity is in.

Reads {environment: {key, name}, segments: [{key, rules}], identities: [{identifier, traits}]} from standard input and
writes, per identity, one letter per segment: y for in, n for not in, e where the engine raises an error and the server has
no answer.
"""

import json
import sys
import warnings

from flag_engine.segments.evaluator import is_context_in_segment

warnings.simplefilter("ignore")
asked = json.load(sys.stdin)


def is_in(context, segment):
    try:
        return "y" if is_context_in_segment(context, segment) else "n"
    except Exception:
        return "e"


answers = []
for identity in asked["identities"]:
    key = asked["environment"]["key"] + "_" + identity["identifier"]
    context = {"environment": asked["environment"], "identity": {**identity, "key": key}}
    answers.append("".join(is_in(context, segment) for segment in asked["segments"]))
json.dump(answers, sys.stdout)
