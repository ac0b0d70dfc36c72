// Drives the stock browser providers, flagd-web-provider and ofrep-web-provider, on Node's own fetch.
//
// They evaluate all flags when the context changes, so it is set before each evaluation, and left when none is given.
// ofrep-web polls when `pollMs` is given and follows event streams otherwise; each answer that it fetches is told as an
// event named `http <status>`.

import { FlagdWebProvider } from '@openfeature/flagd-web-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { NOOP_PROVIDER, OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';
import { answerOf, evaluate, say, serve, tellEvents } from './lines.mjs';

globalThis.EventSource = EventSource;

const EVENTS = {
  ready: ProviderEvents.Ready,
  stale: ProviderEvents.Stale,
  error: ProviderEvents.Error,
  change: ProviderEvents.ConfigurationChanged,
};

function flagdWeb(port, { selector }) {
  const select = (next) => (request) => {
    if (selector) request.header.set('Flagd-Selector', selector);
    return next(request);
  };
  return new FlagdWebProvider({ host: '127.0.0.1', port, tls: false, maxDelay: 1000, interceptors: [select] });
}

function ofrepWeb(provider, port, { selector, pollMs }) {
  return new OFREPWebProvider({
    baseUrl: `http://127.0.0.1:${port}`,
    headers: selector ? [['Flagd-Selector', selector]] : [],
    cacheMode: 'disabled',
    changeDetection: pollMs ? 'polling' : 'sse',
    pollInterval: pollMs ?? 0,
    fetchImplementation: async (...request) => {
      const response = await fetch(...request);
      say({ event: `http ${response.status}`, provider, flags: [] });
      return response;
    },
  });
}

await serve({
  async open({ kind, provider, port, options }) {
    tellEvents(OpenFeature.getClient(provider), provider, EVENTS);
    const opened = kind === 'ofrep-web' ? ofrepWeb(provider, port, options) : flagdWeb(port, options);
    await OpenFeature.setProviderAndWait(provider, opened);
  },
  async evaluate(ask) {
    if (ask.context) await OpenFeature.setContext(ask.context);
    return answerOf(evaluate(OpenFeature.getClient(ask.provider), ask));
  },
  async close({ provider }) {
    await OpenFeature.setProviderAndWait(provider, NOOP_PROVIDER);
  },
});
