// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHROMIUM } from '../dev/chromium.mjs';

const BARS_PX = 200;

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
      // With room for the browser's own bars: what is painted outside the window is never presented.
      `--window-size=${width},${height + BARS_PX}`,
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const { call, on } = connect(child.stdio[3], child.stdio[4]);
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
  /** A session of the thread that listens to the server, which all tabs share. */
  const attachToWorker = async () => {
    const { targetInfos } = await call('Target.getTargets');
    const { targetId } = targetInfos.find((target) => target.type === 'shared_worker');
    return (await call('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  };
  const usedHeap = async (session) => {
    await call('HeapProfiler.collectGarbage', {}, session);
    return (await call('Runtime.getHeapUsage', {}, session)).usedSize;
  };
  await send('Page.enable');
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
    /** Bytes in use after a forced collection, in the page and in its worker. */
    heaps: async () => ({
      page: await usedHeap(sessionId),
      worker: await usedHeap(await attachToWorker()),
    }),
    /** The page's tasks during `ms`: the processor time of each, in milliseconds. */
    tasks: async (ms) => {
      const traced = [];
      const ended = new Promise((resolve) => {
        on('Tracing.dataCollected', ({ value }) => traced.push(...value));
        on('Tracing.tracingComplete', resolve);
      });
      const traceConfig = { includedCategories: ['toplevel'] };
      await send('Tracing.start', { traceConfig, transferMode: 'ReportEvents' });
      await sleep(ms);
      await send('Tracing.end');
      await ended;
      return mainThreadTasks(traced);
    },
    /** Polls an expression in the page until it is true. */
    until: async (expression, timeoutMs = 30_000) => {
      for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(10)) {
        if (await evaluate(expression)) return;
      }
      throw new Error(`not within ${timeoutMs} ms: ${expression}`);
    },
    key: async (key) => {
      const text = key.length === 1 ? key : undefined;
      const commands = key === 'Backspace' ? ['deleteBackward'] : [];
      await send('Input.dispatchKeyEvent', { type: 'keyDown', key, text, commands });
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

/** The protocol over two pipes; `on` sets who is called for a kind of event. */
function connect(output, input) {
  const waiting = new Map();
  const listeners = new Map();
  let serial = 0;
  let rest = '';
  input.setEncoding('utf8').on('data', (part) => {
    const messages = (rest + part).split('\0');
    rest = messages.pop();
    for (const text of messages) {
      const message = JSON.parse(text);
      if (message.method !== undefined) listeners.get(message.method)?.(message.params);
      const wait = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error !== undefined) wait?.reject(new Error(message.error.message));
      else wait?.resolve(message.result);
    }
  });
  return {
    on: (method, listener) => listeners.set(method, listener),
    call: (method, params = {}, sessionId = undefined) =>
      new Promise((resolve, reject) => {
        waiting.set(++serial, { resolve, reject });
        output.write(`${JSON.stringify({ id: serial, method, params, sessionId })}\0`);
      }),
  };
}

/** Of the renderers' main threads the busiest is the page's. */
function mainThreadTasks(events) {
  const tasks = new Map();
  for (const { name, pid, tid, args } of events) {
    if (name === 'thread_name' && args.name === 'CrRendererMain') tasks.set(`${pid} ${tid}`, []);
  }
  for (const { ph, name, pid, tid, tdur = 0 } of events) {
    if (ph !== 'X' || !name.endsWith('::RunTask')) continue;
    tasks.get(`${pid} ${tid}`)?.push({ cpu: tdur / 1000 });
  }
  const total = (list) => list.reduce((sum, task) => sum + task.cpu, 0);
  return [...tasks.values()].sort((a, b) => total(b) - total(a))[0] ?? [];
}
