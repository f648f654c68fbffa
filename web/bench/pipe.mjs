// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHROMIUM } from '../dev/chromium.mjs';

/**
 * Chromium over its own pipe: https://chromedevtools.github.io/devtools-protocol/. Playwright
 * listens to every message of an event stream, which would cost more than what is measured here.
 */
export async function openPage(width, height) {
  const profile = await mkdtemp(join(tmpdir(), 'pulltrace-bench-'));
  const child = spawn(
    CHROMIUM.executablePath,
    [
      ...CHROMIUM.args,
      '--headless',
      '--remote-debugging-pipe',
      `--window-size=${width},${height}`,
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const waiting = new Map();
  let serial = 0;
  let rest = '';
  child.stdio[4].setEncoding('utf8').on('data', (part) => {
    const messages = (rest + part).split('\0');
    rest = messages.pop();
    for (const text of messages) {
      const message = JSON.parse(text);
      const wait = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error !== undefined) wait?.reject(new Error(message.error.message));
      else wait?.resolve(message.result);
    }
  });
  const call = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set(++serial, { resolve, reject });
      child.stdio[3].write(`${JSON.stringify({ id: serial, method, params, sessionId })}\0`);
    });

  const { targetInfos } = await call('Target.getTargets');
  const { targetId } = targetInfos.find((target) => target.type === 'page');
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const send = (method, params) => call(method, params, sessionId);
  const evaluate = async (script) => {
    const answer = await send('Runtime.evaluate', {
      expression: typeof script === 'function' ? `(${script})()` : script,
      returnByValue: true,
      awaitPromise: true,
    });
    if (answer.exceptionDetails !== undefined) throw new Error(answer.exceptionDetails.text);
    return answer.result.value;
  };
  await send('Emulation.setDeviceMetricsOverride', {
    width,
    height,
    deviceScaleFactor: 1,
    mobile: false,
  });

  return {
    send,
    evaluate,
    open: (url) => send('Page.navigate', { url }),
    /** Polls an expression in the page until it is true. */
    until: async (expression, timeoutMs = 30_000) => {
      for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(20)) {
        if (await evaluate(expression)) return;
      }
      throw new Error(`not within ${timeoutMs} ms: ${expression}`);
    },
    key: async (key) => {
      const text = key.length === 1 ? key : undefined;
      await send('Input.dispatchKeyEvent', { type: 'keyDown', key, text });
      await send('Input.dispatchKeyEvent', { type: 'keyUp', key });
    },
    wheel: (deltaY) =>
      send('Input.dispatchMouseEvent', { type: 'mouseWheel', x: 700, y: 600, deltaX: 0, deltaY }),
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      call('Browser.close').catch(() => undefined);
      await ended;
      await rm(profile, { recursive: true, force: true });
    },
  };
}
