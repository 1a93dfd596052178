// First: the editor looks for its workers while its own modules load.
import 'graphiql/setup-workers/vite';

import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './app.css';

import { createRoot } from 'react-dom/client';
import { App } from './app';
import { loadConfig } from './config';

const root = document.getElementById('root');
if (!root) {
  throw new Error('index.html has no element #root');
}
createRoot(root).render(<App config={await loadConfig()} />);
