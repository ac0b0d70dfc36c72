// Runs Unleash's own SDK: node sdk.mjs <api> <token>. A line of input is an Unleash context; a line of output is, for each flag
// by name, whether it is on and its variant.

import { createInterface } from 'node:readline';
import unleashClient from 'unleash-client';

const [url, token] = process.argv.slice(2);
const unleash = new unleashClient.Unleash({
  url: `${url}/`,
  appName: 'sdk-of-node',
  customHeaders: { Authorization: token },
  refreshInterval: 1000,
  metricsInterval: 1000,
  storageProvider: new unleashClient.InMemStorageProvider(),
});
unleash.on('error', (error) => console.error(`sdk: ${error.message}`));
await new Promise((resolve) => unleash.once('synchronized', resolve));

for await (const line of createInterface({ input: process.stdin })) {
  const context = JSON.parse(line);
  const answers = {};
  for (const { name } of unleash.getFeatureToggleDefinitions()) {
    const { name: variant, enabled, payload } = unleash.getVariant(name, context);
    answers[name] = [unleash.isEnabled(name, context), enabled ? [variant, payload?.value ?? null] : null];
  }
  console.log(JSON.stringify(answers));
}
await new Promise((resolve) => setTimeout(resolve, 1500)); // for the metrics
unleash.destroy();
