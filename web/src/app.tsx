import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createClient } from 'graphql-ws';
import { useState } from 'react';
import type { Config } from './config';
import { headersFor } from './headers';
import { rememberedPerson, SignedIn } from './signed-in';
import { StarterMenu } from './starter-menu';
import { starters } from './starters';
import { storage } from './storage';

/** What the gateway closes a websocket with whose token it does not take, or no longer. */
const REFUSED = 4403;

const plugins = [HISTORY_PLUGIN, explorerPlugin()];

/** GraphiQL on the gateway's endpoint, signed in as the configuration says. */
export function App({ config }: { config: Config }) {
  const [token] = useState(() => rememberedPerson(config.people)?.token ?? config.token);
  const [fetcher] = useState(() => createFetcher(token));
  const headers = headersFor(token);

  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      storage={storage}
      defaultTabs={starters.map(({ query }) => ({ query, headers }))}
      defaultHeaders={headers}
      defaultEditorToolsVisibility="headers"
      inputValueDeprecation
    >
      <GraphiQL.Logo>
        <div className="masthead">
          {config.people.length > 0 && <SignedIn people={config.people} />}
          <span className="product">SLA gateway</span>
        </div>
      </GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, merge, copy }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <StarterMenu />
          </>
        )}
      </GraphiQL.Toolbar>
    </GraphiQL>
  );
}

/** Queries and mutations over HTTP, subscriptions over a websocket that is opened with the headers of their tab. */
function createFetcher(token: string | null): Fetcher {
  const endpoint = new URL('../graphql', window.location.href);
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';

  const fetcher: Fetcher = (params, options) => {
    const wsClient = createClient({
      url: socket.href,
      connectionParams: options?.headers,
      // A token that was refused is refused again: to try it five times would leave the page silent for half a minute.
      shouldRetry: (cause) => cause instanceof CloseEvent && cause.code !== REFUSED,
    });
    return createGraphiQLFetcher({ url: endpoint.href, wsClient, enableIncrementalDelivery: false })(params, options);
  };

  // The schema is asked for before the headers tab exists, so that request brings the token it starts with itself.
  const start = token === null ? {} : { Authorization: `Bearer ${token}` };
  return (params, options) =>
    params.operationName === 'IntrospectionQuery'
      ? fetcher(params, { ...options, headers: { ...start, ...options?.headers } })
      : fetcher(params, options);
}
