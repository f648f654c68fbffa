// SPDX-License-Identifier: Apache-2.0
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { StoreContext } from './state/context';
import { createStore } from './state/store';
import { connectSource } from './stream/remote';
import './ui/base.css';
import { applyTheme, storedTheme } from './ui/theme';

applyTheme(storedTheme());
const store = createStore();
const source = connectSource(store);
const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <StoreContext value={store}>
      <App source={source} />
    </StoreContext>
  </StrictMode>,
);
