// The lines that tests/src/testbed/driver.rs describes: one request, one answer, events at any time.

import { createInterface } from 'node:readline';

export function say(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

/// Tells what a client's events say; `events` maps our names to the SDK's.
export function tellEvents(client, provider, events) {
  for (const [event, kind] of Object.entries(events)) {
    client.addHandler(kind, (details) => say({ event, provider, flags: details?.flagsChanged ?? [] }));
  }
}

/// The details of an evaluation; integers and floats are one type here.
export function evaluate(client, ask, ...context) {
  const type = { Integer: 'Number', Float: 'Number' }[ask.type] ?? ask.type;
  return client[`get${type}Details`](ask.key, ask.default, ...context);
}

export function answerOf({ value, variant, reason, errorCode, errorMessage, flagMetadata }) {
  return { value, variant, reason, errorCode, errorMessage, metadata: flagMetadata };
}

/// Serves requests one after the other until the input ends.
export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    try {
      say((await operations[ask.op](ask)) ?? {});
    } catch (error) {
      say({ error: String(error) });
    }
  }
  process.exit(0);
}
