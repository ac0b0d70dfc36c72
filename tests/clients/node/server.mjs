// Drives the stock server-side providers: flagd-provider (rpc, in-process) and ofrep-provider.

import { FlagdProvider } from '@openfeature/flagd-provider';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { NOOP_PROVIDER, OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { answerOf, evaluate, serve, tellEvents } from './lines.mjs';

const EVENTS = {
  ready: ProviderEvents.Ready,
  stale: ProviderEvents.Stale,
  error: ProviderEvents.Error,
  change: ProviderEvents.ConfigurationChanged,
};

function providerOf({ kind, port, options }) {
  if (kind === 'ofrep') {
    const headers = options.selector ? [['Flagd-Selector', options.selector]] : [];
    return new OFREPProvider({ baseUrl: `http://127.0.0.1:${port}`, headers });
  }
  return new FlagdProvider({
    host: '127.0.0.1',
    port,
    resolverType: kind,
    deadlineMs: 5000,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 1000,
    retryGracePeriod: 2,
    selector: options.selector,
    cache: options.cache,
  });
}

await serve({
  async open(ask) {
    tellEvents(OpenFeature.getClient(ask.provider), ask.provider, EVENTS);
    await OpenFeature.setProviderAndWait(ask.provider, providerOf(ask));
  },
  async evaluate(ask) {
    return answerOf(await evaluate(OpenFeature.getClient(ask.provider), ask, ask.context));
  },
  async close(ask) {
    await OpenFeature.setProviderAndWait(ask.provider, NOOP_PROVIDER);
  },
});
