import { createInterface } from 'node:readline';
import { trainedHere } from '../../domain/model-definition.js';
import { ApiClient } from '../client/api-client.js';
import { drive } from './driver/drive.js';
import { Callers } from './driver/callers.js';
import { GatewayFeedback } from './driver/gateway-feedback.js';
import { ModelTime } from './driver/model-time.js';
import { readQuestions } from './driver/questions.js';
import type { DriverOrder, DriverReport } from './driver-messages.js';

// The driver of a rehearsal: a process of its own that speaks only HTTP, to the gateway and to the control API. Its order
// is the first line of its input; it ends, after the hour at hand, when the input closes, which the death of its starter
// does too.
const stop = new AbortController();
const input = createInterface({ input: process.stdin });
const order = await new Promise<DriverOrder>((resolve) => input.once('line', (line) => resolve(JSON.parse(line) as DriverOrder)));
input.once('close', () => stop.abort());
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

const report = (told: DriverReport) => void process.stdout.write(`${JSON.stringify(told)}\n`);
process.stdout.on('error', () => stop.abort());

try {
  const { model, apiUrl, token, gatewayUrl, dataFolder } = order;
  const api = new ApiClient({ apiUrl, token });
  const definition = trainedHere((await api.model(model)).definition);
  const callers = new Callers({ gatewayUrl, model, callers: order.callers, token });
  await drive({
    order,
    definition,
    questions: await readQuestions(definition, dataFolder),
    callers,
    feedback: new GatewayFeedback({ gatewayUrl, model, token }),
    time: new ModelTime({ api, model, signal: stop.signal, onTrouble: (message) => report({ kind: 'trouble', message }) }),
    report,
    signal: stop.signal,
  });
  process.exit(0);
} catch (error) {
  if (stop.signal.aborted) process.exit(0);
  process.stderr.write(`driver: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
