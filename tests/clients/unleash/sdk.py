"""Runs Unleash's own SDK for Python as sdk.mjs runs the one for Node: python sdk.py <api> <token>."""

import json
import sys
import tempfile
import time

from UnleashClient import UnleashClient


def answer(client, name, context):
    variant = client.get_variant(name, context)
    payload = variant.get("payload") or {}
    chosen = [variant["name"], payload.get("value")] if variant["enabled"] else None
    return [client.is_enabled(name, context), chosen]


def main():
    url, token = sys.argv[1:]
    with tempfile.TemporaryDirectory() as cache:
        client = UnleashClient(
            url=url,
            app_name="sdk-of-python",
            custom_headers={"Authorization": token},
            refresh_interval=1,
            metrics_interval=1,
            cache_directory=cache,
        )
        client.initialize_client()
        for line in sys.stdin:
            context = json.loads(line)
            names = client.feature_definitions()
            print(json.dumps({name: answer(client, name, context) for name in names}), flush=True)
        time.sleep(1.5)  # for the metrics
        client.destroy()


main()
