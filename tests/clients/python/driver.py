"""Drives the stock Python providers by the lines that tests/src/testbed/driver.rs describes."""

import json
import logging
import sys
import threading

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import CacheType, ResolverType
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.provider.no_op_provider import NoOpProvider

EVENTS = {
    "ready": ProviderEvent.PROVIDER_READY,
    "stale": ProviderEvent.PROVIDER_STALE,
    "error": ProviderEvent.PROVIDER_ERROR,
    "change": ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
}

logging.disable()  # an error is part of an answer
output = threading.Lock()


def say(line):
    with output:
        print(json.dumps(line), flush=True)


def provider_of(kind, port, options):
    selector = options.get("selector")
    if kind == "ofrep":
        headers = {"Flagd-Selector": selector} if selector else {}
        return OFREPProvider(f"http://127.0.0.1:{port}", headers_factory=lambda: headers)
    cache = options.get("cache")
    return FlagdProvider(
        host="127.0.0.1",
        port=port,
        resolver_type=ResolverType(kind),
        deadline_ms=5000,
        retry_backoff_ms=100,
        retry_backoff_max_ms=1000,
        retry_grace_period=2,
        selector=selector,
        cache=CacheType(cache) if cache else None,
    )


def open_provider(ask):
    name = ask["provider"]
    client = api.get_client(name)
    for event, kind in EVENTS.items():
        client.add_handler(
            kind,
            lambda details, event=event: say(
                {"event": event, "provider": name, "flags": details.flags_changed or []}
            ),
        )
    api.set_provider_and_wait(provider_of(ask["kind"], ask["port"], ask["options"]), name)
    return {}


def evaluate(ask):
    context = dict(ask["context"])
    key = context.get("targetingKey")
    if isinstance(key, str):
        del context["targetingKey"]
    else:
        key = None
    client = api.get_client(ask["provider"])
    resolve = getattr(client, f"get_{ask['type'].lower()}_details")
    details = resolve(ask["key"], ask["default"], EvaluationContext(key, context))
    return {
        "value": details.value,
        "variant": details.variant,
        "reason": details.reason,
        "errorCode": details.error_code,
        "metadata": dict(details.flag_metadata),
        "errorMessage": details.error_message,
    }


def close_provider(ask):
    api.set_provider(NoOpProvider(), ask["provider"])
    return {}


DO = {"open": open_provider, "evaluate": evaluate, "close": close_provider}



def answer(ask):
    try:
        said = DO[ask["op"]](ask)
    except Exception as error:  # whatever a client throws is its answer
        said = {"error": f"{type(error).__name__}: {error}"}
    say({"provider": ask["provider"], **said})


for line in sys.stdin:
    threading.Thread(target=answer, args=[json.loads(line)], daemon=True).start()
