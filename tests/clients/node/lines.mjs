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

/// Answers requests until the input ends; a slow one holds no other up.
export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    answer(operations, ask).then((said) => say({ provider: ask.provider, ...said }));
  }
  process.exit(0);
}

async function answer(operations, ask) {
  try {
    return await operations[ask.op](ask);
  } catch (error) {
    return { error: String(error) };
  }
}
